/** Client of the EasyAnimate service: creates, follows and downloads videos. */
export { EasyAnimate, type ClientOptions } from "./client.js";
export * from "./errors.js";
export { ERROR_CODES } from "./generated/error-codes.js";
export type { VideoEvent } from "./transport/events.js";
export type { WaitOptions } from "./transport/following.js";
export type * from "./types.js";
export { verifyWebhook, type VerifyOptions } from "./webhooks.js";
