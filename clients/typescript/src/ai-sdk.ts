/** A provider for the Vercel AI SDK (`VideoModelV4` of `@ai-sdk/provider` 4). */
import type {
  Experimental_VideoModelV4 as VideoModelV4,
  Experimental_VideoModelV4CallOptions as VideoCallOptions,
  Experimental_VideoModelV4File as VideoFile,
  Experimental_VideoModelV4OperationStartResult as StartResult,
  Experimental_VideoModelV4OperationStatusResult as StatusResult,
  Experimental_VideoModelV4VideoData as VideoData,
  JSONValue,
  SharedV4Warning,
} from "@ai-sdk/provider";
import { EasyAnimate, type ClientOptions } from "./client.js";
import { VideoFailed } from "./errors.js";
import type { CallOptions, Content, CreateVideo, Video } from "./types.js";

const PROVIDER = "easyanimate";
const MAX_VIDEOS = 8; // `n` of a request

/** Makes the models of a service: `createEasyAnimate({ baseUrl })("easyanimate-v3")`. */
export function createEasyAnimate(options: ClientOptions = {}): EasyAnimateProvider {
  const client = new EasyAnimate(options);
  const video = (modelId: string): EasyAnimateVideoModel => new EasyAnimateVideoModel(modelId, client);
  return Object.assign(video, { video, videoModel: video });
}

export interface EasyAnimateProvider {
  (modelId: string): EasyAnimateVideoModel;
  video(modelId: string): EasyAnimateVideoModel;
  videoModel(modelId: string): EasyAnimateVideoModel;
}

/** What is passed between `doStart` and `doStatus`: the ids of all videos of one call, and whether it has a webhook. */
interface Operation {
  ids: string[];
  hasWebhook: boolean;
}

/**
 * A video model. `providerOptions.easyanimate` has further fields of a request, such as `num_inference_steps`. With
 * `webhook`, the service calls the URL of the application; `providerOptions.easyanimate.webhook.secret` signs the call.
 */
export class EasyAnimateVideoModel implements VideoModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = PROVIDER;
  readonly maxVideosPerCall = MAX_VIDEOS;

  constructor(
    readonly modelId: string,
    private readonly client: EasyAnimate,
  ) {}

  /** Creates the videos of one call. A repeated call with the same `idempotency-key` header creates none again. */
  async doStart(options: VideoCallOptions & { webhookUrl?: string }): Promise<StartResult> {
    const { fields, warnings } = requestOf(this.modelId, options);
    const { "idempotency-key": key, ...headers } = lowerCase(options.headers);
    const call = { signal: options.abortSignal, headers, idempotencyKey: key };
    const { video, ...rest } = fields;
    const record = isEdit(fields)
      ? await this.client.videos.edit({ ...rest, video } as Parameters<EasyAnimate["videos"]["edit"]>[0], call)
      : await this.client.videos.create(fields, call);
    const ids = record.batch ?? [record.id];
    return {
      operation: { ids, hasWebhook: options.webhookUrl !== undefined } satisfies Operation,
      warnings: [...warnings, ...record.warnings.map((message) => ({ type: "other" as const, message }))],
      providerMetadata: { [PROVIDER]: { ids } },
      response: this.response(),
    };
  }

  /** The state of a call: complete when all its videos have ended, an error when one of them has failed. */
  async doStatus(options: {
    operation: JSONValue;
    abortSignal?: AbortSignal;
    headers?: Record<string, string | undefined>;
  }): Promise<StatusResult> {
    const call = { signal: options.abortSignal, headers: lowerCase(options.headers) };
    const { ids, hasWebhook } = operationOf(options.operation);
    const response = this.response();
    try {
      let records = await Promise.all(ids.map((id) => this.client.videos.retrieve(id, call)));
      if (hasWebhook && records.some(hasEnded)) {
        // the SDK checks once, after the webhook of the first video
        records = await Promise.all(ids.map((id) => this.client.videos.wait(id, call)));
      }
      const failed = records.find((record) => record.status === "failed");
      if (failed) throw new VideoFailed(failed);
      if (!records.every(hasEnded)) return { status: "pending", response };
      const videos = await Promise.all(records.map((record) => this.videoData(record, call)));
      return { status: "completed", videos, warnings: [], providerMetadata: metadata(records), response };
    } catch (error) {
      if (error instanceof VideoFailed) return { status: "error", error: error.message, response };
      throw error;
    }
  }

  /** The service has webhooks: the URL of the application becomes the `webhook` of the request. */
  async handleWebhookOption({ webhook }: Parameters<NonNullable<VideoModelV4["handleWebhookOption"]>>[0]) {
    const { url, received } = await webhook();
    return { webhookUrl: url, received };
  }

  /** The bytes of a video: the SDK refuses links to private addresses, which services of one's own often have. */
  private async videoData(record: Video, call: CallOptions): Promise<VideoData> {
    const data = await this.client.videos.download(record, call);
    return { type: "binary", data, mediaType: record.num_frames === 1 ? "image/png" : "video/mp4" };
  }

  private response(): StartResult["response"] {
    return { timestamp: new Date(), modelId: this.modelId, headers: undefined };
  }
}

/** The request of a call, and warnings about what the service does not have. */
function requestOf(
  model: string,
  options: VideoCallOptions & { webhookUrl?: string },
): { fields: CreateVideo; warnings: SharedV4Warning[] } {
  const warnings: SharedV4Warning[] = [];
  const unsupported = (feature: string, details: string) => warnings.push({ type: "unsupported", feature, details });
  const { image, lastImage, video } = inputsOf(options, unsupported);
  if (options.aspectRatio && options.aspectRatio !== "adaptive" && !options.resolution) {
    unsupported("aspectRatio", "use resolution, for example 672x384");
  }
  if (options.generateAudio) unsupported("generateAudio", "videos have no sound");
  const own = options.providerOptions[PROVIDER] ?? {};
  const fields: Record<string, unknown> = {
    model,
    prompt: options.prompt ?? "",
    n: options.n > 1 ? options.n : undefined,
    size: options.resolution,
    seconds: options.duration === undefined ? undefined : String(options.duration),
    fps: options.fps,
    seed: options.seed,
    image,
    last_image: lastImage,
    video,
    resize_to_image: options.aspectRatio === "adaptive" && image !== undefined ? true : undefined,
    ...own,
    webhook: options.webhookUrl === undefined ? own["webhook"] : { url: options.webhookUrl, ...Object(own["webhook"]) },
  };
  return { fields: fields as CreateVideo, warnings };
}

/** The start image, the end image and the source video of a call. */
function inputsOf(options: VideoCallOptions, unsupported: (feature: string, details: string) => unknown) {
  const frame = (type: string) => options.frameImages?.find(({ frameType }) => frameType === type)?.image;
  const references = options.inputReferences ?? [];
  const isVideo = (file: VideoFile) => file.mediaType?.startsWith("video/") ?? false;
  const images = [options.image, frame("first_frame"), ...references.filter((file) => !isVideo(file))];
  const [image, ...others] = images.filter((file) => file !== undefined);
  const [video, ...videos] = references.filter(isVideo);
  if (others.length + videos.length > 0) unsupported("inputReferences", "one start image and one source video are used");
  return { image: input(image), lastImage: input(frame("last_frame")), video: input(video) };
}

function input(file: VideoFile | undefined): Content | string | undefined {
  if (file === undefined) return undefined;
  if (file.type === "url") return file.url;
  return typeof file.data === "string" ? `data:${file.mediaType};base64,${file.data}` : file.data;
}

/** A source video without a start image is edited. */
function isEdit(fields: CreateVideo): boolean {
  return fields.video !== undefined && fields.image === undefined;
}

function metadata(records: Video[]) {
  const videos = records.map(({ id, status, seed, width, height, num_frames, fps, content_sha256 }) => {
    return { id, status, seed, width, height, num_frames, fps, content_sha256 };
  });
  return { [PROVIDER]: { videos } };
}

function operationOf(operation: JSONValue): Operation {
  const { ids, hasWebhook } = (operation ?? {}) as { ids?: unknown; hasWebhook?: unknown };
  if (!Array.isArray(ids)) throw new TypeError("the operation is not one of this provider");
  return { ids: ids.map(String), hasWebhook: hasWebhook === true };
}

function hasEnded({ status }: Video): boolean {
  return status === "completed" || status === "failed";
}

/** Headers with a value, by names in lower case. */
function lowerCase(headers: Record<string, string | undefined> = {}): Record<string, string> {
  const values = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(values.map(([name, value]) => [name.toLowerCase(), value]));
}
