"""Client of the EasyAnimate service: creates, follows and downloads videos.

`EasyAnimate` and `AsyncEasyAnimate` have the same methods. `records` has the types of answers, `errors` the errors, and
`error_codes` one class for each code of the service.
"""

from easyanimate_client._async.client import AsyncEasyAnimate
from easyanimate_client._sync.client import EasyAnimate
from easyanimate_client.errors import (
    ApiError,
    ConnectionFailed,
    DownloadFailed,
    EasyAnimateError,
    VideoDeleted,
    VideoFailed,
    WaitTimedOut,
    WebhookVerificationFailed,
)
from easyanimate_client.records import Video
from easyanimate_client.server_sent_events import Event
from easyanimate_client.webhooks import verify_webhook

__all__ = [
    "ApiError",
    "AsyncEasyAnimate",
    "ConnectionFailed",
    "DownloadFailed",
    "EasyAnimate",
    "EasyAnimateError",
    "Event",
    "Video",
    "VideoDeleted",
    "VideoFailed",
    "WaitTimedOut",
    "WebhookVerificationFailed",
    "verify_webhook",
]
