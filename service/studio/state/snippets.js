// A request as code: curl, Python and Node. The key comes from an environment variable.

const KEY = "EASYANIMATE_API_KEY";
const baseUrl = () => new URL(".", location.href).href;
const fileName = (name, file) => file.name || `${name}.png`;

/** The code by language, for a path and its fields. */
export function snippets({ path, fields }) {
  const url = baseUrl() + path, files = Object.entries(fields).filter(([, value]) => value instanceof Blob);
  const values = Object.fromEntries(Object.entries(fields).filter(([name, value]) => name !== "previews" && !(value instanceof Blob)));
  const all = files.length ? withFiles(url, values, files) : withJson(url, values);
  return { curl: all[0], Python: all[1], Node: all[2] };
}

const json = (values) => JSON.stringify(values, null, 2);
const inShell = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;
/** A file name as curl reads it: in quotes where it has a sign of curl's own. */
const inCurl = (name) => (/[",;\\]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name);
const asText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

/** JSON as a Python value. */
const inPython = (values) => json(values).replace(/: (true|false)(,?)$/gm, (_, value, comma) => `: ${value === "true" ? "True" : "False"}${comma}`);

function withJson(url, values) {
  const curl = [`curl ${inShell(url)}`, `-H "Authorization: Bearer $${KEY}"`, "-H 'Content-Type: application/json'", `-d ${inShell(json(values))}`];
  const options = ["  headers: {", `    Authorization: \`Bearer \${process.env.${KEY}}\`,`, '    "Content-Type": "application/json",', "  },"];
  return [
    curl.join(" \\\n  "),
    python(url, [`json=${indented(inPython(values), 4)}`]),
    node(url, [...options, `  body: JSON.stringify(${indented(json(values), 2)}),`]),
  ];
}

function withFiles(url, values, files) {
  const texts = Object.entries(values).map(([name, value]) => [name, asText(value)]);
  const named = files.map(([name, file]) => [name, JSON.stringify(fileName(name, file))]);
  const curl = [
    `curl ${inShell(url)}`, `-H "Authorization: Bearer $${KEY}"`,
    ...texts.map(([name, value]) => `--form-string ${inShell(`${name}=${value}`)}`),
    ...files.map(([name, file]) => `-F ${inShell(`${name}=@${inCurl(fileName(name, file))}`)}`),
  ];
  const opened = named.map(([name, file]) => `"${name}": open(${file}, "rb")`).join(", ");
  const form = [
    'import { openAsBlob } from "node:fs";\n\nconst form = new FormData();',
    ...texts.map((pair) => `form.append(${pair.map((text) => JSON.stringify(text)).join(", ")});`),
    ...named.map(([name, file]) => `form.append("${name}", await openAsBlob(${file}), ${file});`),
  ];
  return [
    curl.join(" \\\n  "),
    python(url, [`data=${indented(json(Object.fromEntries(texts)), 4)}`, `files={${opened}}`]),
    `${form.join("\n")}\n${node(url, [`  headers: { Authorization: \`Bearer \${process.env.${KEY}}\` },`, "  body: form,"])}`,
  ];
}

function python(url, parameters) {
  const headers = `headers={"Authorization": f"Bearer {os.environ['${KEY}']}"}`;
  const call = [JSON.stringify(url), headers, ...parameters].map((line) => `    ${line},`).join("\n");
  return `import os\nimport httpx\n\nresponse = httpx.post(\n${call}\n)\nvideo = response.raise_for_status().json()\nprint(video["id"], video["status"])`;
}

function node(url, options) {
  const lines = [`const response = await fetch(${JSON.stringify(url)}, {`, '  method: "POST",', ...options, "});"];
  return [...lines, "const video = await response.json();", "console.log(video.id, video.status);"].join("\n");
}

const indented = (text, spaces) => text.replaceAll("\n", `\n${" ".repeat(spaces)}`);
