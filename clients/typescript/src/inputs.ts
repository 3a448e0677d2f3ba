/** Request bodies as JSON or as a form, and paths of routes. */

/** The body of a request: JSON without files, else a form whose nested values are JSON. */
export function body(fields: object): { body: BodyInit; headers: Record<string, string> } {
  const values = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  if (!values.some(([, value]) => isContent(value))) {
    return { body: JSON.stringify(Object.fromEntries(values)), headers: { "content-type": "application/json" } };
  }
  const form = new FormData();
  for (const [name, value] of values) {
    if (isContent(value)) form.append(name, asBlob(value), "name" in value ? String(value.name) : "file");
    else form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return { body: form, headers: {} };
}

/** The path of a route with quoted values: route`/v1/videos/${id}`. Throws for a value that is no id. */
export function route(parts: TemplateStringsArray, ...values: string[]): string {
  return parts.reduce((path, part, place) => path + quoted(values[place - 1]!) + part);
}

function quoted(value: string): string {
  if (["", ".", ".."].includes(value)) throw new TypeError(`${JSON.stringify(value)} is no id`);
  return encodeURIComponent(value);
}

/** A path with the query parameters that have a value. */
export function withQuery(path: string, query: object): string {
  const values = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const text = new URLSearchParams(values.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

function isContent(value: unknown): value is Blob | Uint8Array | ArrayBuffer {
  return value instanceof Blob || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function asBlob(value: Blob | Uint8Array | ArrayBuffer): Blob {
  return value instanceof Blob ? value : new Blob([value as BlobPart]);
}

/** The fields with the source video as JSON has it: a record or the text `video_…` is `{ id }`. */
export function withSource<Fields extends object>(fields: Fields): object {
  const { video } = fields as { video?: unknown };
  const id = typeof video === "string" && video.startsWith("video_") ? video : videoId(video);
  return id === null ? fields : { ...fields, video: { id } };
}

function videoId(value: unknown): string | null {
  const isRecord = typeof value === "object" && value !== null && "id" in value && !isContent(value);
  return isRecord ? String(value.id) : null;
}
