"""The public error codes, each defined once: handlers, OpenAPI responses and examples read this table.

Codes are permanent: add, never rename.
"""

from dataclasses import dataclass

from easyanimate.media.formats import IMAGE_NAMES, VIDEO_NAMES

RATE_LIMIT_HEADERS = (
    "RateLimit-Policy",
    "RateLimit",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)


@dataclass(frozen=True)
class ErrorCode:
    """HTTP status, example, retry advice and headers of one error code. `param` is the field that the example names."""

    status: int
    example: str
    param: str | None = None
    retry_after_s: int | None = None  # the default; the raised error may carry a better value
    never_retry: bool = False  # OpenAI's clients repeat every 409 without this advice
    own_headers: tuple[str, ...] = ()  # their values come with the raised error
    action: str = ""  # what the caller does

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers of a response with this code, besides those of every response."""
        retry_after = ("Retry-After",) if self.retry_after_s is not None else ()
        return (*self.own_headers, *retry_after, *(("x-should-retry",) if self.never_retry else ()))


ERROR_CODES = {
    "invalid_request": ErrorCode(
        400,
        "num_inference_steps must be between 1 and 200 for euler, got 900",
        "num_inference_steps",
        action="Change the field `param`; the message has the values that work.",
    ),
    "unknown_parameter": ErrorCode(
        400,
        "unknown parameter promt; did you mean prompt?",
        "promt",
        action="Remove the field, or use the name in the message.",
    ),
    "prompt_not_understood": ErrorCode(
        400,
        "no word is left of the prompt after cleaning; Chinese characters are deleted; the model reads English, so "
        "describe it in English",
        "prompt",
        action="Write the prompt in English.",
    ),
    "invalid_size": ErrorCode(
        400,
        "width must be a multiple of 16, got 700; the nearest is 704x384",
        "size",
        action="Send a size of the message, or leave it out.",
    ),
    "invalid_seconds": ErrorCode(
        400,
        "num_frames must be 1 or a multiple of 8 up to 1440, got 17; the nearest is 16",
        "num_frames",
        action="Send a number of frames of the message.",
    ),
    "invalid_shots": ErrorCode(
        400,
        "shots[3]: num_frames must be a multiple of 8 up to 1440, got 17; the nearest is 16",
        "shots[3].num_frames",
        action="Change the field `param` of that shot; the message has the values that work.",
    ),
    "unsupported_image": ErrorCode(
        400,
        f"image must be an image ({IMAGE_NAMES}); these bytes are none of them",
        "image",
        action="Send an image in one of the formats.",
    ),
    "unsupported_video": ErrorCode(
        400,
        f"video must be a video ({VIDEO_NAMES}); these bytes are none of them",
        "video",
        action="Send a video in one of the formats.",
    ),
    "unsupported_file": ErrorCode(
        400, "file is a file of the format PDF; send an image or a video", "file", action="Upload an image or a video."
    ),
    "url_not_allowed": ErrorCode(
        400,
        "webhook.url must be a public https address",
        "webhook.url",
        action="Use a public https address on port 443 or 8443, without credentials.",
    ),
    "image_fetch_failed": ErrorCode(
        400,
        "image could not be fetched: the status was 404; send the image as a file",
        "image",
        action="Check the link, or send the image as a file.",
    ),
    "video_fetch_failed": ErrorCode(
        400,
        "video could not be fetched: no response within 20 s; send the video as a file",
        "video",
        action="Check the link, or send the video as a file.",
    ),
    "too_many_files": ErrorCode(
        400,
        "you have 1000 files already; delete some, or wait until they expire",
        action="Delete files with `DELETE /v1/files/{id}`.",
    ),
    "too_many_endpoints": ErrorCode(
        400,
        "you have 20 webhook endpoints already; delete one",
        action="Delete an endpoint with `DELETE /v1/webhook_endpoints/{id}`.",
    ),
    "webhook_unreachable": ErrorCode(
        400,
        "https://example.com/hook did not respond: its name does not resolve",
        action="Correct your receiver, and test again.",
    ),
    "invalid_api_key": ErrorCode(
        401,
        "a valid API key is required, as the header Authorization: Bearer KEY",
        own_headers=("WWW-Authenticate",),
        action="Send a key that the operator created.",
    ),
    "forbidden": ErrorCode(
        403,
        "this link is not valid or has expired; GET /v1/videos/{id} has a new one",
        action="Get a new link from the record. For a service without keys: use its own address, or create keys. For a "
        "route of operators: use a key with the role admin.",
    ),
    "moderation_refused": ErrorCode(
        403,
        "the operator's moderation refuses the prompt: it names a real person",
        "prompt",
        action="Change what the message names. If it could not be checked, send it again later.",
    ),
    "not_found": ErrorCode(
        404,
        "GET /v1/vidoes does not exist; GET /docs lists the routes",
        action="Correct the path; `/docs` lists the routes.",
    ),
    "video_not_found": ErrorCode(
        404, "there is no such video", action="Check the id and the key; a deleted video stays deleted."
    ),
    "model_not_found": ErrorCode(
        404,
        "there is no model 'sora-2'; GET /v1/models lists them",
        "model",
        action="Use a model of `GET /v1/models`, or leave the field out.",
    ),
    "lora_not_found": ErrorCode(
        404,
        "there is no LoRA 'ink'; GET /v1/models lists those of each model",
        "loras",
        action="Use a LoRA that `GET /v1/models` lists.",
    ),
    "playlist_not_found": ErrorCode(
        404, "this video has one window and therefore no playlist", action="Use the `url` of the record."
    ),
    "file_not_found": ErrorCode(404, "there is no such file", action="Upload the file again; it may have expired."),
    "webhook_endpoint_not_found": ErrorCode(
        404, "there is no such webhook endpoint", action="Use an id of `GET /v1/webhook_endpoints`."
    ),
    "worker_not_found": ErrorCode(
        404,
        "there is no worker 'gpu-1-7-0f3a'; GET /v1/admin/workers lists them",
        action="Use a name of `GET /v1/admin/workers`.",
    ),
    "delivery_not_found": ErrorCode(
        404, "there is no such delivery", action="Use an id of `GET /v1/videos/{id}/deliveries`."
    ),
    "method_not_allowed": ErrorCode(
        405,
        "PATCH /v1/videos does not exist; its methods are GET, HEAD, POST",
        action="Use a method of the header `Allow`.",
    ),
    "video_not_ready": ErrorCode(
        409,
        "the video is not ready, it is running; GET /v1/videos/{id} shows its progress",
        never_retry=True,
        action="Wait until the video is completed.",
    ),
    "not_cancellable": ErrorCode(
        409,
        "the video is already finished",
        never_retry=True,
        action="Nothing; the video has ended. `DELETE` removes it.",
    ),
    "video_not_waiting": ErrorCode(
        409,
        "the video is running; only a waiting one can be updated",
        never_retry=True,
        action="Nothing; cancel the video and create another one if it must change.",
    ),
    "record_unreadable": ErrorCode(
        409,
        "the record of this video cannot be read by this release; it is kept: see the operator's log",
        never_retry=True,
        action="Ask the operator, who has the reason in the log, or delete the video.",
    ),
    "webhook_endpoint_disabled": ErrorCode(
        409,
        "the endpoint is disabled; set enabled to true before you redeliver",
        never_retry=True,
        action="Enable the endpoint first.",
    ),
    "idempotency_in_flight": ErrorCode(
        409,
        "the same request is being processed; send it again in a second to get its video",
        retry_after_s=1,
        action="Send the same request again.",
    ),
    "asset_expired": ErrorCode(
        410,
        "the files of this video were kept until its expires_at",
        action="Create the video again, or send the file again.",
    ),
    "payload_too_large": ErrorCode(
        413, "a request may have 33554432 bytes; send a smaller file", action="Send a smaller file, or a link to it."
    ),
    "unsupported_media_type": ErrorCode(
        415,
        "send Content-Type: application/json or multipart/form-data",
        own_headers=("Accept", "Accept-Encoding"),
        action="Send JSON or a form, without compression.",
    ),
    "range_not_satisfiable": ErrorCode(
        416,
        "the file has 4096 bytes; the range bytes=5000- begins after them",
        own_headers=("Content-Range",),
        action="Request a range within the size in `Content-Range`.",
    ),
    "idempotency_key_reused": ErrorCode(
        422,
        "this Idempotency-Key was used for another request in the last 24 hours",
        "Idempotency-Key",
        action="Use a new key for each different request.",
    ),
    "rate_limited": ErrorCode(
        429,
        "your limit is 60 requests for videos a minute; retry in 1 s",
        own_headers=("Retry-After", "x-should-retry", *RATE_LIMIT_HEADERS),
        action="Wait as `Retry-After` says; `RateLimit` shows what is left.",
    ),
    "queue_full": ErrorCode(
        429,
        "at most 10000 videos may wait, and 10000 are waiting for easyanimate-v3-tiny; "
        "try again later, GET /v1/queue shows the queue",
        retry_after_s=30,
        action="Wait as `Retry-After` says; `GET /v1/queue` shows the queue.",
    ),
    "internal_error": ErrorCode(
        500,
        "an unexpected error occurred",
        action="Send the request again; report the `x-request-id` to the operator if it stays.",
    ),
    "draining": ErrorCode(
        503,
        "this process is stopping; retry in a second",
        retry_after_s=1,
        action="Send the request again; another process answers.",
    ),
    "queue_unavailable": ErrorCode(
        503,
        "the queue does not respond; nothing was accepted, retry shortly",
        retry_after_s=5,
        action="Send the request again. The operator checks Redis.",
    ),
    "not_durable": ErrorCode(
        503,
        "the job or the change was not on the disk of the queue in time; no video was accepted, retry shortly",
        retry_after_s=2,
        action="Send the request again. The operator checks the disk of Redis.",
    ),
    "decoder_unavailable": ErrorCode(
        503,
        "the decoder of images and videos does not start; try again later",
        retry_after_s=10,
        action="Send the request again. The operator checks the log.",
    ),
    "storage_unavailable": ErrorCode(
        503,
        "the object store does not respond; retry shortly",
        retry_after_s=10,
        action="Send the request again. The operator checks the object store.",
    ),
    "model_unavailable": ErrorCode(
        503,
        "no worker has announced a model yet; start a worker and retry",
        retry_after_s=10,
        action="Send the request again. The operator starts a worker.",
    ),
}
