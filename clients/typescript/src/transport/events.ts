/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) of one video. */
import { ConnectionFailed, NoEventStream, RequestTimedOut } from "../errors.js";
import { route } from "../inputs.js";
import type { CallOptions, Video, VideoDeleted } from "../types.js";
import type { Call, Http } from "./http.js";

const STREAM_TIMEOUT_MS = 45_000; // the service sends a comment each 15 s

/** One event of a video: `state`, `progress`, `preview`, `log` or `done`. The data of `done` is the record. */
export interface VideoEvent {
  type: string;
  data: Record<string, unknown>;
  id: string | null;
}

/** The record in the event `done`; null if the video was deleted. */
export function finalRecord(event: VideoEvent): Video | null {
  const record = event.data as unknown as Video | VideoDeleted;
  return record.object === "video" ? (record as Video) : null;
}

/** The events of a video until `done`. An interrupted stream continues where it ended. Throws NoEventStream. */
export async function* streamEvents(
  http: Http,
  videoId: string,
  lastEventId: string | null,
  options: CallOptions,
): AsyncGenerator<VideoEvent, void> {
  const path = route`/v1/videos/${videoId}/events`;
  let failures = 0;
  for (;;) {
    const resume: Record<string, string> = lastEventId === null ? {} : { "last-event-id": lastEventId };
    const headers = { ...options.headers, accept: "text/event-stream", ...resume };
    const call: Call = { ...options, method: "GET", path, headers, timeoutMs: STREAM_TIMEOUT_MS };
    const parser = new EventParser();
    let status = 0;
    try {
      for await (const chunk of http.chunks(call, (response) => (status = checked(response)))) {
        for (const event of parser.feed(chunk)) {
          failures = 0;
          lastEventId = event.id ?? lastEventId;
          yield event;
          if (event.type === "done") return;
        }
      }
      if (status === 204) return;
      throw new ConnectionFailed("the event stream ended before the video");
    } catch (error) {
      if (error instanceof RequestTimedOut && !parser.hasBytes) throw new NoEventStream("the event stream is silent");
      failures += 1;
      await http.waitAfter(error, call, failures);
    }
  }
}

/** The status of an answer that is an event stream, or of one without content. */
function checked(response: Response): number {
  const type = response.headers.get("content-type") ?? "";
  if (response.status !== 204 && !type.startsWith("text/event-stream")) {
    throw new NoEventStream(`the answer is ${type || "of no type"}, not an event stream`);
  }
  return response.status;
}

/** Parses a stream in chunks of any size. */
export class EventParser {
  hasBytes = false;
  private readonly decoder = new TextDecoder(); // drops a byte order mark
  private rest = "";
  private type = "";
  private data: string[] = [];
  private id: string | null = null;

  /** The events that `chunk` completes. */
  *feed(chunk: Uint8Array): Generator<VideoEvent, void> {
    this.hasBytes ||= chunk.length > 0;
    const text = this.rest + this.decoder.decode(chunk, { stream: true });
    const kept = text.endsWith("\r") ? 1 : 0; // it may be half of \r\n
    const lines = text.slice(0, text.length - kept).split(/\r\n|\n|\r/);
    this.rest = lines.pop()! + text.slice(text.length - kept);
    for (const line of lines) {
      const event = this.read(line);
      if (event !== null) yield event;
    }
  }

  private read(line: string): VideoEvent | null {
    if (line === "") return this.event();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    else if (name === "event") this.type = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    return null;
  }

  private event(): VideoEvent | null {
    const { type, data, id } = this;
    [this.type, this.data, this.id] = ["", [], null];
    if (data.length === 0) return null;
    return { type: type || "message", data: JSON.parse(data.join("\n")) as Record<string, unknown>, id };
  }
}
