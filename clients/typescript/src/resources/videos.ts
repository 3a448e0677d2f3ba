/** The videos of the caller. */
import { ApiError, VideoFailed } from "../errors.js";
import { body, route, withQuery, withSource } from "../inputs.js";
import { streamContent } from "../transport/content.js";
import { streamEvents, type VideoEvent } from "../transport/events.js";
import { follow, type WaitOptions } from "../transport/following.js";
import type { Http } from "../transport/http.js";
import { pages } from "../transport/pages.js";
import type * as types from "../types.js";
import type { CallOptions, CreateOptions, Video } from "../types.js";

export class Videos {
  constructor(private readonly http: Http) {}

  /** Creates a video; with `n`, the record is that of the first. Retries never create a second one. */
  async create(fields: types.CreateVideo, options: CreateOptions = {}): Promise<Video> {
    return await this.post(route`/v1/videos`, fields, options);
  }

  /** Creates a video and waits for its end, like `create` and `wait`. */
  async createAndWait(fields: types.CreateVideo, options: CreateOptions & WaitOptions = {}): Promise<Video> {
    const { signal, headers, idempotencyKey } = options;
    const video = await this.create(fields, { signal, headers, idempotencyKey });
    return await this.wait(video.id, options);
  }

  /**
   * The completed video, by its events or, where they do not arrive, by polls. Throws VideoFailed, VideoDeletedError,
   * WaitTimedOut.
   */
  async wait(videoId: string, options: WaitOptions = {}): Promise<Video> {
    const video = await follow(this.http, videoId, options);
    if (video.status === "failed") throw new VideoFailed(video);
    return video;
  }

  /** Creates a changed version of `video`. */
  async edit(fields: types.EditVideo, options: CreateOptions = {}): Promise<Video> {
    return await this.post(route`/v1/videos/edits`, fields, options);
  }

  /** Creates a longer version of `video`. */
  async extend(fields: types.ExtendVideo, options: CreateOptions = {}): Promise<Video> {
    return await this.post(route`/v1/videos/extensions`, fields, options);
  }

  /** Creates a video with another prompt and the same settings, seed and inputs. */
  async remix(videoId: string, fields: types.RemixVideo, options: CreateOptions = {}): Promise<Video> {
    return await this.post(route`/v1/videos/${videoId}/remix`, fields, options);
  }

  /** Finishes a draft: the new video continues its steps, with its settings, seed and inputs. */
  async promote(videoId: string, fields: types.PromoteVideo = {}, options: CreateOptions = {}): Promise<Video> {
    return await this.post(route`/v1/videos/${videoId}/promote`, fields, options);
  }

  /** What `create` with these fields would make, and when it would be finished. Nothing is stored. */
  async estimate(fields: types.CreateVideo, options: CallOptions = {}): Promise<types.VideoEstimate> {
    return await this.change<types.VideoEstimate>(route`/v1/videos/estimate`, fields, options);
  }

  /** Changes priority, deadline and metadata of a waiting video. */
  async update(videoId: string, fields: types.UpdateVideo, options: CallOptions = {}): Promise<Video> {
    return await this.change<Video>(route`/v1/videos/${videoId}`, fields, options);
  }

  /** The completed videos of the caller and what they took, by day (UTC) or by model. */
  async usage(query: types.UsageQuery = {}, options: CallOptions = {}): Promise<types.UsageReport> {
    return await this.http.record({ ...options, method: "GET", path: withQuery(route`/v1/usage`, query) });
  }

  /** The record of a video. A failed one has an `error`. */
  async retrieve(videoId: string, options: CallOptions = {}): Promise<Video> {
    return await this.http.record<Video>({ ...options, method: "GET", path: route`/v1/videos/${videoId}` });
  }

  /** All videos, newest first; `limit` is the number per page. */
  list(query: types.ListVideos = {}, options: CallOptions = {}): AsyncGenerator<Video, void> {
    return pages<Video>(this.http, route`/v1/videos`, query, options);
  }

  /** Cancels a video: a waiting one at once, a running one at its next step. */
  async cancel(videoId: string, options: CallOptions = {}): Promise<Video> {
    try {
      return await this.http.record<Video>({ ...options, method: "POST", path: route`/v1/videos/${videoId}/cancel` });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "not_cancellable" || error.tries === 1) throw error;
      const video = await this.retrieve(videoId, options);
      if (video.state === "cancelled") return video; // by the first try, whose answer was lost
      throw error;
    }
  }

  /** Deletes record and files; cancels the video first if it has not ended. */
  async delete(videoId: string, options: CallOptions = {}): Promise<types.VideoDeleted> {
    const deleted = { id: videoId, object: "video.deleted", deleted: true } as const;
    return await deletion<types.VideoDeleted>(this.http, route`/v1/videos/${videoId}`, deleted, options);
  }

  /** The events of a video until it has ended, from the beginning or after `lastEventId`. */
  events(videoId: string, options: CallOptions & { lastEventId?: string } = {}): AsyncGenerator<VideoEvent, void> {
    const { lastEventId, ...call } = options;
    return streamEvents(this.http, videoId, lastEventId ?? null, call);
  }

  /**
   * The bytes of a file of a video. A broken connection continues where it ended. The video itself is compared with the
   * SHA-256 of its record; the stream then ends with DownloadFailed.
   */
  async content(
    video: string | Video,
    options: CallOptions & { variant?: types.Variant } = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const { variant = "video", ...call } = options;
    const record = typeof video !== "string" ? video : variant === "video" ? await this.retrieve(video, call) : null;
    const id = record?.id ?? String(video);
    const sha256 = variant === "video" ? (record?.content_sha256 ?? null) : null;
    return streamContent(this.http, withQuery(route`/v1/videos/${id}/content`, { variant }), sha256, call);
  }

  /** The same bytes at once. */
  async download(
    video: string | Video,
    options: CallOptions & { variant?: types.Variant } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await new Response(await this.content(video, options)).arrayBuffer());
  }

  /** The latest preview of a running video, or the thumbnail of a completed one, as WebP. */
  async preview(videoId: string, options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return await this.download(videoId, { ...options, variant: "preview" });
  }

  /** All settings and versions that determined a video. */
  async manifest(videoId: string, options: CallOptions = {}): Promise<Record<string, unknown>> {
    const path = withQuery(route`/v1/videos/${videoId}/content`, { variant: "manifest" });
    return await this.http.record<Record<string, unknown>>({ ...options, method: "GET", path });
  }

  /** The HLS playlist of a long video. */
  async playlist(videoId: string, options: CallOptions = {}): Promise<string> {
    const call = { ...options, method: "GET" as const, path: route`/v1/videos/${videoId}/playlist.m3u8` };
    return (await this.http.text(call)).text;
  }

  /** A ticket for the events and the playlist of a video in a browser, which sends no key. Valid for a minute. */
  async createTicket(videoId: string, options: CallOptions = {}): Promise<types.Ticket> {
    return await this.http.record({ ...options, method: "POST", path: route`/v1/videos/${videoId}/tickets` });
  }

  /** Each attempt at a video, with its worker, phases and outcome. */
  async attempts(videoId: string, options: CallOptions = {}): Promise<types.AttemptList> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/videos/${videoId}/attempts` });
  }

  /** The webhooks of a video, with all their tries. */
  async deliveries(videoId: string, options: CallOptions = {}): Promise<types.WebhookDeliveryList> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/videos/${videoId}/deliveries` });
  }

  /** Sends a webhook again. */
  async redeliver(videoId: string, deliveryId: string, options: CallOptions = {}): Promise<types.WebhookDelivery> {
    const path = route`/v1/videos/${videoId}/deliveries/${deliveryId}/redeliver`;
    return await this.http.record({ ...options, method: "POST", path, isRepeatable: false });
  }

  private async change<Result>(path: string, fields: object, options: CallOptions): Promise<Result> {
    const content = body(fields);
    const headers = { ...content.headers, ...options.headers };
    return await this.http.record<Result>({
      ...options, method: "POST", path, body: content.body, headers, isRepeatable: true,
    });
  }

  private async post(path: string, fields: object, options: CreateOptions): Promise<Video> {
    const { idempotencyKey = newKey(), ...call } = options;
    const content = body(withSource(fields));
    const headers = { ...content.headers, ...call.headers, "idempotency-key": idempotencyKey };
    return await this.http.record<Video>({ ...call, method: "POST", path, body: content.body, headers });
  }
}

/** Deletes an object. If the answer to the first try is lost, the second finds nothing, and `deleted` is the result. */
export async function deletion<Deleted>(
  http: Http,
  path: string,
  deleted: Deleted,
  options: CallOptions,
): Promise<Deleted> {
  try {
    return await http.record<Deleted>({ ...options, method: "DELETE", path });
  } catch (error) {
    if (error instanceof ApiError && error.status === 404 && error.code !== null && error.tries > 1) return deleted;
    throw error;
  }
}

/** A key that no other request has. It is not secret; WebCrypto is not everywhere. */
function newKey(): string {
  const part = () => Math.random().toString(36).slice(2).padStart(12, "0");
  return `${Date.now().toString(36)}-${part()}-${part()}`;
}
