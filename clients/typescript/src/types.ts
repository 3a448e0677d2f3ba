/** The types of requests and records, derived from the OpenAPI document. */
import type { components, operations } from "./generated/openapi.js";

type Schemas = components["schemas"];

/** The record of a video. Times are unix seconds. */
export type Video = Schemas["Video"];
export type VideoList = Schemas["VideoList"];
export type VideoEstimate = Schemas["VideoEstimate"];
export type UsageReport = Schemas["UsageReport"];
export type VideoDeleted = Schemas["VideoDeleted"];
export type Variant = Schemas["Variant"];
export type AttemptList = Schemas["AttemptList"];
export type ContentProvenanceCheck = Schemas["ContentProvenanceCheck"];
export type File = Schemas["File"];
export type FileList = Schemas["FileList"];
export type FileDeleted = Schemas["FileDeleted"];
export type Model = Schemas["Model"];
export type ModelList = Schemas["ModelList"];
export type PromptTokens = Schemas["PromptTokens"];
export type Ticket = Schemas["Ticket"];
export type Queues = Schemas["Queues"];
export type WebhookDelivery = Schemas["WebhookDelivery"];
export type WebhookDeliveryList = Schemas["WebhookDeliveryList"];
export type WebhookEndpoint = Schemas["WebhookEndpoint"];
export type WebhookEndpointDeleted = Schemas["WebhookEndpointDeleted"];
export type WebhookEndpointList = Schemas["WebhookEndpointList"];
export type WebhookEndpointTest = Schemas["WebhookEndpointTest"];
export type WebhookEndpointWithSecret = Schemas["WebhookEndpointWithSecret"];
export type WebhookEvent = Schemas["WebhookEvent"];
export type EventTypeList = Schemas["EventTypeList"];

/** The fields of the JSON body of an operation. */
type JsonBody<Name extends keyof operations> = operations[Name] extends {
  requestBody?: { content: { "application/json": infer Body } };
}
  ? Body
  : never;

/** Bytes to upload. In Node, `openAsBlob` of `node:fs` reads a file. */
export type Content = Blob | Uint8Array | ArrayBuffer;

/** An image: bytes, or text: an https link, the id of an uploaded file, or a `data:` URL. */
export type ImageInput = Content | string | { file_id: string } | { image_url: string };

/** A source video: as an image, or a completed video of yours: its record, `{ id }`, or the text `video_…`. */
export type VideoInput = Content | string | { id: string } | { file_id: string } | { video_url: string };

type Media = {
  image?: ImageInput;
  input_reference?: ImageInput;
  last_image?: ImageInput;
  mask?: ImageInput;
  video?: VideoInput;
};

/** The body of an operation, with files in place of their references. */
type WithMedia<Body> = {
  [Field in keyof Body]: Field extends keyof Media ? Exclude<Media[Field], undefined> : Body[Field];
};

export type CreateVideo = WithMedia<JsonBody<"create_video">>;
export type EditVideo = WithMedia<JsonBody<"edit_video">>;
export type ExtendVideo = WithMedia<JsonBody<"extend_video">>;
export type UpdateVideo = JsonBody<"update_video">;
export type RemixVideo = JsonBody<"remix_video">;
export type PromoteVideo = JsonBody<"promote_video">;
export type CreateWebhookEndpoint = JsonBody<"create_webhook_endpoint">;
export type UpdateWebhookEndpoint = JsonBody<"update_webhook_endpoint">;
export type RotateWebhookSecret = JsonBody<"rotate_webhook_secret">;
export type TestWebhookEndpoint = JsonBody<"test_webhook_endpoint">;
export type UsageQuery = NonNullable<operations["get_usage"]["parameters"]["query"]>;
export type ListVideos = NonNullable<operations["list_videos"]["parameters"]["query"]>;
export type ListFiles = NonNullable<operations["list_files"]["parameters"]["query"]>;
export type ListWebhookEndpoints = NonNullable<operations["list_webhook_endpoints"]["parameters"]["query"]>;

/** Options of one call. */
export interface CallOptions {
  /** Ends the call; its error is the reason of the signal. */
  signal?: AbortSignal | undefined;
  /** Further headers. */
  headers?: Record<string, string> | undefined;
}

export interface CreateOptions extends CallOptions {
  /** A key of yours; by default each call has a new one, and its retries the same. */
  idempotencyKey?: string | undefined;
}
