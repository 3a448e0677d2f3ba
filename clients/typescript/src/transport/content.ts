/** Downloads that continue after an interruption. */
import { ApiError, ConnectionFailed, DownloadFailed } from "../errors.js";
import type { CallOptions } from "../types.js";
import type { Call, Http } from "./http.js";
import { Sha256 } from "./sha256.js";

/**
 * The bytes of a file. A broken connection continues where it ended, if the file is still the same. `sha256` is the
 * digest that it must have, or null. Throws DownloadFailed.
 */
export function streamContent(
  http: Http,
  path: string,
  sha256: string | null,
  options: CallOptions,
): ReadableStream<Uint8Array> {
  const bytes = receive(http, path, new Transfer(sha256), options);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await bytes.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await bytes.return();
      },
    },
    { highWaterMark: 0 },
  );
}

async function* receive(
  http: Http,
  path: string,
  transfer: Transfer,
  options: CallOptions,
): AsyncGenerator<Uint8Array, void> {
  let failures = 0;
  while (!transfer.hasEnded) {
    const before = transfer.received;
    const call: Call = { ...options, method: "GET", path, headers: { ...options.headers, ...transfer.headers() } };
    try {
      for await (const chunk of http.chunks(call, (response) => transfer.begin(response))) {
        const part = transfer.add(chunk);
        if (part.length > 0) yield part;
      }
      transfer.end();
    } catch (error) {
      if (!transfer.endsWith(error)) {
        failures = transfer.received > before ? 1 : failures + 1;
        await http.waitAfter(error, call, failures);
      }
    }
  }
  transfer.check();
}

/** What was received of a file, and how it continues after an interruption. */
export class Transfer {
  received = 0;
  hasEnded = false;
  private etag: string | null = null;
  private size: number | null = null;
  private skip = 0;
  private readonly hash = new Sha256();

  constructor(private readonly sha256: string | null) {}

  /** The headers of the next request: the rest of the file, if it is still the same. */
  headers(): Record<string, string> {
    const headers: Record<string, string> = { "accept-encoding": "identity" }; // browsers leave it out
    if (this.received > 0 && this.etag !== null) {
      headers["range"] = `bytes=${this.received}-`;
      headers["if-range"] = this.etag;
    }
    return headers;
  }

  /** Reads the headers of an answer. Throws DownloadFailed. */
  begin(response: Response): void {
    const etag = response.headers.get("etag");
    if (this.received > 0 && (this.etag === null || etag !== this.etag)) {
      throw new DownloadFailed("the file has changed during the download");
    }
    this.etag = etag && !etag.startsWith("W/") ? etag : null;
    this.skip = this.received - this.start(response);
  }

  /** The place of the first byte of the answer. */
  private start({ status, headers }: Response): number {
    if (status !== 206) {
      const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
      this.size = length === null ? null : Number(length);
      return 0;
    }
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
    if (range === null || Number(range[1]) > this.received) {
      throw new DownloadFailed(`the answer has another range: ${headers.get("content-range")}`);
    }
    this.size = range[2] === "*" ? null : Number(range[2]);
    return Number(range[1]);
  }

  /** The bytes of `chunk` that were not received before. */
  add(chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(this.skip);
    this.skip = Math.max(0, this.skip - chunk.length);
    this.received += part.length;
    this.hash.update(part);
    return part;
  }

  /** Ends an answer that was read to its end. Throws ConnectionFailed if bytes are missing. */
  end(): void {
    if (this.size !== null && this.received < this.size) {
      throw new ConnectionFailed(`the answer ended after ${this.received} of ${this.size} bytes`);
    }
    this.hasEnded = true;
  }

  /** Whether all bytes are here in spite of this error. */
  endsWith(error: unknown): boolean {
    if (error instanceof ApiError && error.status === 416) {
      this.hasEnded = this.received > 0 && error.headers.get("content-range") === `bytes */${this.received}`;
    } else if (error instanceof ConnectionFailed) {
      this.hasEnded = this.size !== null && this.received >= this.size;
    }
    return this.hasEnded;
  }

  /** Compares the digest. Throws DownloadFailed. */
  check(): void {
    if (this.sha256 !== null && this.hash.hex() !== this.sha256) {
      throw new DownloadFailed("the received file does not have the SHA-256 of its record");
    }
  }
}
