"""The public error codes, each defined once: handlers, OpenAPI responses and examples read this table.

Codes are permanent: add, never rename.
"""

from dataclasses import dataclass

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

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers of a response with this code, besides those of every response."""
        retry_after = ("Retry-After",) if self.retry_after_s is not None else ()
        return (*self.own_headers, *retry_after, *(("x-should-retry",) if self.never_retry else ()))


ERROR_CODES = {
    "invalid_request": ErrorCode(
        400, "num_inference_steps must be between 1 and 200 for euler, got 900", "num_inference_steps"
    ),
    "unknown_parameter": ErrorCode(400, "unknown parameter promt; did you mean prompt?", "promt"),
    "invalid_size": ErrorCode(400, "width must be a multiple of 16, got 700; the nearest is 704x384", "size"),
    "invalid_seconds": ErrorCode(
        400, "num_frames must be 1 or a multiple of 8 up to 1440, got 17; the nearest is 16", "num_frames"
    ),
    "unsupported_image": ErrorCode(400, "image is not a PNG, JPEG, WebP or still GIF", "image"),
    "unsupported_video": ErrorCode(400, "video is not an MP4", "video"),
    "unsupported_file": ErrorCode(400, "file must be an image (PNG, JPEG, WebP or still GIF) or a video (MP4)", "file"),
    "url_not_allowed": ErrorCode(400, "webhook.url must be a public https address", "webhook.url"),
    "image_fetch_failed": ErrorCode(
        400, "image could not be fetched: the status was 404; send the image as a file", "image"
    ),
    "video_fetch_failed": ErrorCode(
        400, "video could not be fetched: no response within 20 s; send the video as a file", "video"
    ),
    "too_many_files": ErrorCode(400, "you have 1000 files already; delete some, or wait until they expire"),
    "too_many_endpoints": ErrorCode(400, "you have 20 webhook endpoints already; delete one"),
    "webhook_unreachable": ErrorCode(400, "https://example.com/hook did not respond: its name does not resolve"),
    "invalid_api_key": ErrorCode(
        401, "a valid API key is required, as the header Authorization: Bearer KEY", own_headers=("WWW-Authenticate",)
    ),
    "forbidden": ErrorCode(403, "this link is not valid or has expired; GET /v1/videos/{id} has a new one"),
    "not_found": ErrorCode(404, "GET /v1/vidoes does not exist; GET /docs lists the routes"),
    "video_not_found": ErrorCode(404, "there is no such video"),
    "model_not_found": ErrorCode(404, "there is no model 'sora-2'; GET /v1/models lists them", "model"),
    "lora_not_found": ErrorCode(404, "there is no LoRA 'ink'; GET /v1/models lists those of each model", "loras"),
    "playlist_not_found": ErrorCode(404, "this video has one window and therefore no playlist"),
    "file_not_found": ErrorCode(404, "there is no such file"),
    "webhook_endpoint_not_found": ErrorCode(404, "there is no such webhook endpoint"),
    "delivery_not_found": ErrorCode(404, "there is no such delivery"),
    "method_not_allowed": ErrorCode(405, "PATCH /v1/videos does not exist; GET /docs lists the routes"),
    "video_not_ready": ErrorCode(
        409, "the video is not ready, it is running; GET /v1/videos/{id} shows its progress", never_retry=True
    ),
    "not_cancellable": ErrorCode(409, "the video is already finished", never_retry=True),
    "record_unreadable": ErrorCode(
        409,
        "the record of this video cannot be read by this release; it is kept: see the operator's log",
        never_retry=True,
    ),
    "webhook_endpoint_disabled": ErrorCode(
        409, "the endpoint is disabled; set enabled to true before you redeliver", never_retry=True
    ),
    "idempotency_in_flight": ErrorCode(
        409, "the same request is being processed; send it again in a second to get its video", retry_after_s=1
    ),
    "asset_expired": ErrorCode(410, "the files of this video were kept until its expires_at"),
    "payload_too_large": ErrorCode(413, "a request may have 33554432 bytes; send a smaller file"),
    "unsupported_media_type": ErrorCode(
        415, "send Content-Type: application/json or multipart/form-data", own_headers=("Accept", "Accept-Encoding")
    ),
    "range_not_satisfiable": ErrorCode(
        416, "the file has 4096 bytes; the range bytes=5000- begins after them", own_headers=("Content-Range",)
    ),
    "idempotency_key_reused": ErrorCode(
        422, "this Idempotency-Key was used for another request in the last 24 hours", "Idempotency-Key"
    ),
    "rate_limited": ErrorCode(
        429,
        "your limit is 60 requests for videos a minute; retry in 1 s",
        own_headers=("Retry-After", "x-should-retry", *RATE_LIMIT_HEADERS),
    ),
    "queue_full": ErrorCode(
        429,
        "at most 10000 videos may wait, and 10000 are waiting for easyanimate-v3-tiny; "
        "try again later, GET /v1/queue shows the queue",
        retry_after_s=30,
    ),
    "internal_error": ErrorCode(500, "an unexpected error occurred"),
    "draining": ErrorCode(503, "this process is stopping; retry in a second", retry_after_s=1),
    "queue_unavailable": ErrorCode(
        503, "the queue does not respond; nothing was accepted, retry shortly", retry_after_s=5
    ),
    "decoder_unavailable": ErrorCode(
        503, "the decoder of images and videos does not start; try again later", retry_after_s=10
    ),
    "storage_unavailable": ErrorCode(503, "the object store does not respond; retry shortly", retry_after_s=10),
    "model_unavailable": ErrorCode(
        503, "no worker has announced a model yet; start a worker and retry", retry_after_s=10
    ),
}
