/** Errors that the client throws, and how a response becomes one of them. */
import { ERROR_CODES } from "./generated/error-codes.js";
import type { Video } from "./types.js";

/** The codes of error responses. */
export type ErrorCode = keyof typeof ERROR_CODES;

const MAX_MESSAGE_CHARS = 300;

/** Every error of this client. */
export class EasyAnimateError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The service was not reached, or the connection broke. `isSent` is false if the service has received nothing. */
export class ConnectionFailed extends EasyAnimateError {
  tries = 1;
  constructor(
    message: string,
    readonly isSent = true,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** No answer, or no further bytes, within the timeout. */
export class RequestTimedOut extends ConnectionFailed {}

/**
 * An answer from status 400 on. `code` and `param` are those of the service, or null if something in between answered.
 * `tries` counts the requests that were sent.
 */
export class ApiError extends EasyAnimateError {
  tries = 1;
  constructor(
    readonly status: number,
    message: string,
    readonly code: ErrorCode | (string & {}) | null,
    readonly param: string | null,
    readonly headers: Headers,
  ) {
    super(message);
  }

  get requestId(): string | null {
    return this.headers.get("x-request-id");
  }
}

/** An answer that is not from the service: a redirect, or a page of something in between. */
export class UnexpectedAnswer extends ApiError {}

/** A video ended without a result. */
export class VideoFailed extends EasyAnimateError {
  readonly code: string | null;
  readonly isRetryable: boolean;
  constructor(readonly video: Video) {
    super(video.error ? `${video.id}: ${video.error.message} (${video.error.code})` : `${video.id} has failed`);
    this.code = video.error?.code ?? null;
    this.isRetryable = video.error?.retryable ?? false;
  }
}

/** The video was deleted before it ended. */
export class VideoDeletedError extends EasyAnimateError {}

/** The video had not ended in time; it continues. */
export class WaitTimedOut extends EasyAnimateError {
  constructor(readonly videoId: string) {
    super(`${videoId} has not ended in time; it continues`);
  }
}

/** The received bytes are not the file of the record, or the file changed while it was received. */
export class DownloadFailed extends EasyAnimateError {}

/** A webhook is not from the service, or it is too old. */
export class WebhookVerificationFailed extends EasyAnimateError {}

/** Something between client and service does not pass the event stream on. */
export class NoEventStream extends EasyAnimateError {}

/** The error of an answer that is not successful. Reads its body. */
export async function toError(response: Response): Promise<ApiError> {
  const { status, headers } = response;
  if (status < 400) {
    const target = headers.get("location");
    const message = `the answer leads to ${target ?? "another address"}; use that address as baseUrl`;
    return new UnexpectedAnswer(status, message, null, null, headers);
  }
  const text = await response.text().catch(() => "");
  const error = errorOf(text);
  if (typeof error["code"] !== "string") {
    const message = text.replace(/\s+/g, " ").trim().slice(0, MAX_MESSAGE_CHARS) || `status ${status}`;
    return new ApiError(status, message, null, null, headers);
  }
  const param = typeof error["param"] === "string" ? error["param"] : null;
  return new ApiError(status, String(error["message"]), error["code"], param, headers);
}

function errorOf(text: string): Record<string, unknown> {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
