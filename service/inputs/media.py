"""Reads the images and videos of requests in limited processes, and explains what cannot be used."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from easyanimate.media.description import VideoDescription
from easyanimate.media.formats import FileFormat, detect_format, explain_unusable
from easyanimate.media.probe.messages import ProbeAnswer, ProbeTask, TaskKind, TaskOutcome
from jobs.errors import InvalidRequest
from service.http.errors import ApiError
from service.inputs.kinds import CHECKED_FILE, IMAGE, VIDEO, InputKind
from service.inputs.media_process import MediaProcess

MAX_CONCURRENT_IMAGES = 2  # forty megapixels take some hundreds of megabytes each
MAX_CONCURRENT_VIDEOS = 2
MAX_FRAME_PIXELS = 4096 * 2304
MAX_SECONDS = 600
DAMAGED = "is damaged, so that it cannot be decoded; export it again"


@dataclass(frozen=True)
class MediaLimits:
    """Limits of the process of one file; `max_pixels` of an image is width times height."""

    max_pixels: int
    memory_bytes: int
    timeout_s: float


@dataclass(frozen=True)
class DecodedImage:
    """An image as the bytes of an upright RGB PNG, with its size in pixels, and warnings about what was changed."""

    png: bytes
    width: int
    height: int
    warnings: tuple[str, ...] = ()


class MediaReader:
    """Reads files, a few at a time, each in a process of its own."""

    def __init__(self, process: MediaProcess, limits: MediaLimits) -> None:
        self.process = process
        self.limits = limits
        self._slots = {
            IMAGE: threading.BoundedSemaphore(MAX_CONCURRENT_IMAGES),
            VIDEO: threading.BoundedSemaphore(MAX_CONCURRENT_VIDEOS),
            CHECKED_FILE: threading.BoundedSemaphore(MAX_CONCURRENT_VIDEOS),
        }

    def read_image(self, data: bytes, param: str) -> DecodedImage:
        """This image in sRGB, on white where it is transparent. Raises InvalidRequest `unsupported_image`."""
        return self._read_picture(data, param, TaskKind.IMAGE)

    def read_mask(self, data: bytes, param: str) -> DecodedImage:
        """The levels of this mask. Raises InvalidRequest `unsupported_image`."""
        return self._read_picture(data, param, TaskKind.MASK)

    def mask_levels(self, mask: bytes, size: tuple[int, int]) -> tuple[int, int]:
        """The darkest and the lightest level (0 to 255) of a decoded mask at this width and height."""
        task = self._task(TaskKind.LEVELS, width=size[0], height=size[1])
        with _expected_values("mask", IMAGE):
            values = self._run(mask, "mask", IMAGE, task).values
            return int(values["darkest"]), int(values["lightest"])

    def read_video(self, data: bytes, param: str) -> VideoDescription:
        """The description of this video. Raises InvalidRequest `unsupported_video`."""
        _check_format(data, param, VIDEO)
        with _expected_values(param, VIDEO):
            answer = self._run(data, param, VIDEO, self._task(TaskKind.VIDEO))
            description = VideoDescription.from_json(answer.values["description"])
        _check_video(description, param)
        return description

    def read_marks(self, data: bytes, media_type: str, trusted: str) -> list[dict[str, Any]]:
        """The marks of this file: values of `MarkResult`. Raises InvalidRequest `unsupported_file`."""
        certificates = trusted.encode()
        task = self._task(TaskKind.MARKS)
        task = replace(task, media_type=media_type, trusted_bytes=len(certificates))
        with _expected_values("file", CHECKED_FILE):
            return list(self._run(certificates + data, "file", CHECKED_FILE, task).values["results"])

    def _read_picture(self, data: bytes, param: str, kind: TaskKind) -> DecodedImage:
        _check_format(data, param, IMAGE)
        with _expected_values(param, IMAGE):
            answer = self._run(data, param, IMAGE, self._task(kind, max_pixels=self.limits.max_pixels))
            warnings = tuple(f"{param}: it {warning}" for warning in answer.values["warnings"])
            return DecodedImage(answer.content, int(answer.values["width"]), int(answer.values["height"]), warnings)

    def _task(self, kind: TaskKind, max_pixels: int = 0, width: int = 0, height: int = 0) -> ProbeTask:
        cpu_s = math.ceil(self.limits.timeout_s)
        return ProbeTask(kind, self.limits.memory_bytes, cpu_s, max_pixels, width, height)

    def _run(self, data: bytes, param: str, kind: InputKind, task: ProbeTask) -> ProbeAnswer:
        with self._slots[kind]:
            answer = self.process.run(task, data, self.limits.timeout_s)
        if answer.outcome is TaskOutcome.DONE:
            return answer
        if answer.outcome is TaskOutcome.OVERLOADED:
            message = "too many files are being decoded at the moment; try again in a few seconds"
            raise ApiError("rate_limited", message, headers={"Retry-After": "5"})
        if answer.outcome is TaskOutcome.UNAVAILABLE:
            raise ApiError("decoder_unavailable", "the decoder of images and videos does not start; try again later")
        raise refused(param, self._reason(answer), kind)

    def _reason(self, answer: ProbeAnswer) -> str:
        megabytes = self.limits.memory_bytes // 1_000_000
        if answer.outcome is TaskOutcome.REFUSED:
            return str(answer.values["reason"])
        reasons = {
            TaskOutcome.OUT_OF_MEMORY: f"needs more than {megabytes} MB of memory to be decoded; send a smaller file",
            TaskOutcome.TIMEOUT: f"needs more than {self.limits.timeout_s:g} s to be decoded; send a smaller file",
        }
        return reasons.get(answer.outcome, DAMAGED)


def refused(param: str, reason: str, kind: InputKind) -> InvalidRequest:
    """The error for an input that cannot be used; `reason` continues the name of its field."""
    return InvalidRequest(f"{param} {reason}", param, kind.unsupported)


@contextmanager
def _expected_values(param: str, kind: InputKind) -> Iterator[None]:
    """Refuses the file if its process answers with other values: a decoder may be under the control of the file."""
    try:
        yield
    except InvalidRequest:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise refused(param, DAMAGED, kind) from error


def check_file_format(data: bytes) -> FileFormat:
    """The format of an upload, which may be an image or a video. Raises InvalidRequest, as `unsupported_file`."""
    file_format = detect_format(data)
    if file_format is not None and file_format.is_read:
        return file_format
    reason = f"file {explain_unusable(data, 'image', 'video')}"
    codes = {"image": IMAGE.unsupported, "video": VIDEO.unsupported}
    raise InvalidRequest(reason, "file", codes.get(file_format.kind if file_format else "", "unsupported_file"))


def _check_format(data: bytes, param: str, kind: InputKind) -> None:
    reason = explain_unusable(data, "image" if kind is IMAGE else "video")
    if reason is not None:
        raise refused(param, reason, kind)


def _check_video(video: VideoDescription, param: str) -> None:
    pixels = max(video.width * video.height, video.stored_width * video.stored_height)
    if pixels > MAX_FRAME_PIXELS:
        size = f"{video.width}x{video.height}"
        reason = f"is {size}; at most {MAX_FRAME_PIXELS} pixels per frame are accepted, so send a smaller one"
        raise refused(param, reason, VIDEO)
    if video.duration > MAX_SECONDS:
        seconds = float(video.duration)
        raise refused(
            param, f"plays for {seconds:g} s; at most {MAX_SECONDS} are accepted, so send a part of it", VIDEO
        )
