/** Following a video until it has ended: by its events, or by polls. */
import { ApiError, ConnectionFailed, NoEventStream, VideoDeletedError, WaitTimedOut } from "../errors.js";
import { route } from "../inputs.js";
import type { CallOptions, Video } from "../types.js";
import { finalRecord, streamEvents, type VideoEvent } from "./events.js";
import type { Http } from "./http.js";
import { pollDelayMs, sleep } from "./retries.js";

export interface WaitOptions extends CallOptions {
  /** The longest wait; without it there is no end. */
  timeoutMs?: number | undefined;
  /** Called with each event that arrives. */
  onEvent?: ((event: VideoEvent) => void) | undefined;
}

/** The final record of a video. Throws VideoDeletedError, WaitTimedOut, or the reason of the signal. */
export async function follow(http: Http, videoId: string, options: WaitOptions): Promise<Video> {
  const end = new AbortController();
  const onAbort = () => end.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const { timeoutMs } = options;
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => end.abort(new WaitTimedOut(videoId)), timeoutMs);
  try {
    const call: CallOptions = { headers: options.headers, signal: end.signal };
    return (await followEvents(http, videoId, call, options.onEvent)) ?? (await poll(http, videoId, call));
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/** The record in the event `done`; null if the stream has none. */
async function followEvents(
  http: Http,
  videoId: string,
  call: CallOptions,
  onEvent: WaitOptions["onEvent"],
): Promise<Video | null> {
  const events = streamEvents(http, videoId, null, call);
  try {
    for (let event = await nextOf(events); event !== null; event = await nextOf(events)) {
      onEvent?.(event);
      if (event.type !== "done") continue;
      const video = finalRecord(event);
      if (video === null) throw new VideoDeletedError(`${videoId} was deleted`);
      return video;
    }
    return null;
  } finally {
    await events.return();
  }
}

/** The next event; null if the stream fails for good. Polls then show whether the service itself is away. */
async function nextOf(events: AsyncGenerator<VideoEvent, void>): Promise<VideoEvent | null> {
  try {
    const { done, value } = await events.next();
    return done ? null : value;
  } catch (error) {
    if (error instanceof ApiError || error instanceof ConnectionFailed || error instanceof NoEventStream) return null;
    throw error;
  }
}

/** The final record, by polls at the pace that the service advises. */
async function poll(http: Http, videoId: string, call: CallOptions): Promise<Video> {
  for (;;) {
    const get = { ...call, method: "GET" as const, path: route`/v1/videos/${videoId}` };
    const { value, headers } = await http.recordWithHeaders<Video>(get);
    if (value.status === "completed" || value.status === "failed") return value;
    await sleep(pollDelayMs(headers), call.signal);
  }
}
