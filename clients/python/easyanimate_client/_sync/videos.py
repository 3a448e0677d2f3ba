"""The videos of the caller."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, Literal, Unpack
from uuid import uuid4

from easyanimate_client import bodies
from easyanimate_client._sync.content import Target, download, stream_content
from easyanimate_client._sync.following import OnEvent, follow, stream_events
from easyanimate_client._sync.http import Http, json_object
from easyanimate_client._sync.pages import pages
from easyanimate_client.error_codes import NotCancellable, VideoNotFound
from easyanimate_client.errors import VideoFailed
from easyanimate_client.inputs import Body, CreateVideo, EditVideo, ExtendVideo, route, source_video
from easyanimate_client.options import Call
from easyanimate_client.records import (
    AttemptList,
    Ticket,
    UsageReport,
    Variant,
    Video,
    VideoDeleted,
    VideoEstimate,
    VideoList,
    WebhookDelivery,
    WebhookDeliveryList,
)
from easyanimate_client.server_sent_events import Event


class Videos:
    """Creates, follows, lists, downloads and deletes videos. Each method can raise ApiError and ConnectionFailed."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(self, *, idempotency_key: str | None = None, **fields: Unpack[CreateVideo]) -> Video:
        """Creates a video; with `n`, the record is that of the first. Retries never create a second one."""
        return self._create(route("/v1/videos"), fields, idempotency_key)

    def create_and_wait(
        self,
        *,
        timeout_s: float | None = None,
        on_event: OnEvent | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[CreateVideo],
    ) -> Video:
        """Creates a video and waits for its end, like `create` and `wait`."""
        video = self.create(idempotency_key=idempotency_key, **fields)
        return self.wait(video.id, timeout_s=timeout_s, on_event=on_event)

    def wait(self, video_id: str, *, timeout_s: float | None = None, on_event: OnEvent | None = None) -> Video:
        """The completed video, by its events or, where they do not arrive, by polls.

        `on_event` is called with each event that arrives. In the last 20 seconds of `timeout_s` there are polls only.
        Raises VideoFailed, VideoDeleted, WaitTimedOut.
        """
        video = follow(self._http, video_id, timeout_s, on_event)
        if video.status == "failed":
            raise VideoFailed(video)
        return video

    def edit(self, *, idempotency_key: str | None = None, **fields: Unpack[EditVideo]) -> Video:
        """Creates a changed version of `video`."""
        return self._create(route("/v1/videos/edits"), fields, idempotency_key)

    def extend(self, *, idempotency_key: str | None = None, **fields: Unpack[ExtendVideo]) -> Video:
        """Creates a longer version of `video`."""
        return self._create(route("/v1/videos/extensions"), fields, idempotency_key)

    def remix(
        self, video_id: str, *, idempotency_key: str | None = None, **fields: Unpack[bodies.RemixVideoFields]
    ) -> Video:
        """Creates a video with another prompt and the same settings, seed and inputs."""
        return self._create(route("/v1/videos/{}/remix", video_id), fields, idempotency_key)

    def promote(
        self, video_id: str, *, idempotency_key: str | None = None, **fields: Unpack[bodies.PromoteVideoFields]
    ) -> Video:
        """Finishes a draft: the new video continues its steps, with its settings, seed and inputs."""
        return self._create(route("/v1/videos/{}/promote", video_id), fields, idempotency_key)

    def estimate(self, **fields: Unpack[CreateVideo]) -> VideoEstimate:
        """What `create` with these fields would make, and when it would be finished. Nothing is stored."""
        call = Call("POST", route("/v1/videos/estimate"), body=Body(fields).options(), is_repeatable=True)
        return self._http.record(VideoEstimate, call)

    def update(self, video_id: str, **fields: Unpack[bodies.UpdateVideoFields]) -> Video:
        """Changes priority, deadline and metadata of a waiting video. Raises VideoNotWaiting."""
        path = route("/v1/videos/{}", video_id)
        return self._http.record(Video, Call("POST", path, body=Body(fields).options(), is_repeatable=True))

    def usage(
        self,
        *,
        first_day: str | None = None,
        last_day: str | None = None,
        group_by: Literal["day", "model"] | None = None,
    ) -> UsageReport:
        """The completed videos of the caller and what they took, by day (UTC, such as 2026-11-30) or by model."""
        params = {"from": first_day, "to": last_day, "group_by": group_by}
        query = {name: value for name, value in params.items() if value is not None}
        return self._http.record(UsageReport, Call("GET", route("/v1/usage"), query))

    def retrieve(self, video_id: str) -> Video:
        """The record of a video. A failed one has an `error`."""
        return self._http.record(Video, Call("GET", route("/v1/videos/{}", video_id)))

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        status: Literal["queued", "in_progress", "completed", "failed"] | None = None,
    ) -> Iterator[Video]:
        """All videos, newest first; `limit` is the number per page."""
        params = {"limit": limit, "after": after, "order": order, "status": status}
        return pages(self._http, VideoList, route("/v1/videos"), params)

    def cancel(self, video_id: str) -> Video:
        """Cancels a video: a waiting one at once, a running one at its next step. Raises NotCancellable."""
        try:
            return self._http.record(Video, Call("POST", route("/v1/videos/{}/cancel", video_id)))
        except NotCancellable as error:
            if error.tries > 1 and (video := self.retrieve(video_id)).state == "cancelled":
                return video  # by the first try, whose answer was lost
            raise

    def delete(self, video_id: str) -> VideoDeleted:
        """Deletes record and files; cancels the video first if it has not ended."""
        try:
            return self._http.record(VideoDeleted, Call("DELETE", route("/v1/videos/{}", video_id)))
        except VideoNotFound as error:
            if error.tries > 1:  # the first try has deleted it, and its answer was lost
                return VideoDeleted(id=video_id, object="video.deleted", deleted=True)
            raise

    def events(self, video_id: str, *, last_event_id: str | None = None) -> Generator[Event, None, None]:
        """The events of a video until it has ended, from the beginning or after `last_event_id`.

        An interrupted stream continues where it ended. Raises NoEventStream.
        """
        with closing(stream_events(self._http, video_id, last_event_id)) as events:
            for event in events:
                if event is not None:
                    yield event

    def download(self, video: str | Video, target: Target, *, variant: Variant = "video") -> None:
        """Writes a file of a video to a path, completely or not at all, or to an open file.

        A broken connection continues where it ended. The video itself is compared with the SHA-256 of its record.
        Raises DownloadFailed, VideoNotReady, AssetExpired, OSError.
        """
        video_id, sha256 = self._digest(video, variant)
        download(self._http, route("/v1/videos/{}/content", video_id), {"variant": variant}, sha256, target)

    def content(self, video: str | Video, *, variant: Variant = "video") -> Generator[bytes, None, None]:
        """The same bytes as `download`, in chunks."""
        video_id, sha256 = self._digest(video, variant)
        path = route("/v1/videos/{}/content", video_id)
        with closing(stream_content(self._http, path, {"variant": variant}, sha256)) as chunks:
            for chunk in chunks:
                yield chunk

    def preview(self, video_id: str) -> bytes:
        """The latest preview of a running video, or the thumbnail of a completed one, as WebP."""
        return b"".join([chunk for chunk in self.content(video_id, variant="preview")])

    def manifest(self, video_id: str) -> Mapping[str, Any]:
        """All settings and versions that determined a video."""
        call = Call("GET", route("/v1/videos/{}/content", video_id), {"variant": "manifest"})
        return json_object(self._http.send(call))

    def playlist(self, video_id: str) -> str:
        """The HLS playlist of a long video. Raises PlaylistNotFound, VideoNotReady."""
        return (self._http.send(Call("GET", route("/v1/videos/{}/playlist.m3u8", video_id)))).text

    def create_ticket(self, video_id: str) -> Ticket:
        """A ticket for the events and the playlist of a video in a browser, which sends no key. Valid for a minute."""
        return self._http.record(Ticket, Call("POST", route("/v1/videos/{}/tickets", video_id)))

    def attempts(self, video_id: str) -> AttemptList:
        """Each attempt at a video, with its worker, phases and outcome."""
        return self._http.record(AttemptList, Call("GET", route("/v1/videos/{}/attempts", video_id)))

    def deliveries(self, video_id: str) -> WebhookDeliveryList:
        """The webhooks of a video, with all their tries."""
        return self._http.record(WebhookDeliveryList, Call("GET", route("/v1/videos/{}/deliveries", video_id)))

    def redeliver(self, video_id: str, delivery_id: str) -> WebhookDelivery:
        """Sends a webhook again."""
        path = route("/v1/videos/{}/deliveries/{}/redeliver", video_id, delivery_id)
        return self._http.record(WebhookDelivery, Call("POST", path, is_repeatable=False))

    def _create(self, path: str, fields: Mapping[str, Any], idempotency_key: str | None) -> Video:
        values = {**fields, "video": source_video(fields["video"])} if "video" in fields else fields
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        return self._http.record(Video, Call("POST", path, headers=headers, body=Body(values).options()))

    def _digest(self, video: str | Video, variant: Variant) -> tuple[str, str | None]:
        """The id of a video, and the SHA-256 of its file if the record has one."""
        if variant != "video":
            return (video if isinstance(video, str) else video.id), None
        record = self.retrieve(video) if isinstance(video, str) else video
        return record.id, record.content_sha256
