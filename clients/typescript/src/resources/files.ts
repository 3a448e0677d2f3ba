/** The uploaded images and videos of the caller. */
import { body, route } from "../inputs.js";
import { streamContent } from "../transport/content.js";
import type { Http } from "../transport/http.js";
import { pages } from "../transport/pages.js";
import type * as types from "../types.js";
import type { CallOptions } from "../types.js";
import { deletion } from "./videos.js";

export interface UploadOptions extends CallOptions {
  purpose?: "user_data" | "vision";
  /** Seconds until the file is deleted. */
  expiresAfterS?: number;
}

export class Files {
  constructor(private readonly http: Http) {}

  /** Uploads an image or MP4. A retry after a lost answer could leave a second copy, so there is none. */
  async create(file: types.Content, options: UploadOptions = {}): Promise<types.File> {
    const { purpose = "vision", expiresAfterS, ...call } = options;
    const expiry = expiresAfterS === undefined ? undefined : { anchor: "created_at", seconds: expiresAfterS };
    const content = body({ file, purpose, expires_after: expiry });
    const path = route`/v1/files`;
    return await this.http.record({ ...call, method: "POST", path, body: content.body, isRepeatable: false });
  }

  /** The properties of a file. */
  async retrieve(fileId: string, options: CallOptions = {}): Promise<types.File> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/files/${fileId}` });
  }

  /** All files, newest first; `limit` is the number per page. */
  list(query: types.ListFiles = {}, options: CallOptions = {}): AsyncGenerator<types.File, void> {
    return pages<types.File>(this.http, route`/v1/files`, query, options);
  }

  /** Deletes a file. Videos that use it keep their copy. */
  async delete(fileId: string, options: CallOptions = {}): Promise<types.FileDeleted> {
    const deleted = { id: fileId, object: "file", deleted: true } as const;
    return await deletion<types.FileDeleted>(this.http, route`/v1/files/${fileId}`, deleted, options);
  }

  /** What the marks of an image or a video say about its origin. The file is not stored. */
  async checkProvenance(file: types.Content, options: CallOptions = {}): Promise<types.ContentProvenanceCheck> {
    const path = route`/v1/content_provenance_checks`;
    return await this.http.record({ ...options, method: "POST", path, body: body({ file }).body });
  }

  /** The bytes of a file. */
  async content(file: string | types.File, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const record = typeof file === "string" ? await this.retrieve(file, options) : file;
    return streamContent(this.http, route`/v1/files/${record.id}/content`, record.content_sha256, options);
  }
}
