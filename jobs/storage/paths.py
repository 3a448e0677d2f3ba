"""Keys of objects in storage: inputs, results and checkpoints of each job."""

import re
from mimetypes import guess_type

INPUTS, VIDEOS, CHECKPOINTS = PLACES = ("inputs/", "videos/", "checkpoints/")  # below each, a folder per job


ATTEMPT_FOLDER = re.compile(r"videos/[^/]+/\d+-[0-9a-f]+/")


# The files a job may be given, each with the field of the request that holds its key.
INPUT_FILES = {
    "image.png": "image_key",
    "last_image.png": "last_image_key",
    "mask.png": "mask_key",
    "video.mp4": "video_key",
}


def content_type_of(key: str) -> str:
    """The media type that the ending of a key tells."""
    if key.endswith(".ts"):  # for some systems that is the source of a program
        return "video/mp2t"
    return guess_type(key)[0] or "application/octet-stream"


def input_key(job_id: str, name: str) -> str:
    """Where an input of a job lies; `name` is one of `INPUT_FILES`."""
    return f"{INPUTS}{job_id}/{name}"


def result_key(job_id: str, attempt: int, token: str, name: str) -> str:
    """Where an attempt puts what it made: no two attempts ever write to the same place."""
    return f"{VIDEOS}{job_id}/{attempt}-{token}/{name}"


def attempts_prefix(job_id: str) -> str:
    """Below this lies what was made, each attempt's in a folder of its own."""
    return f"{VIDEOS}{job_id}/"


def checkpoint_prefix(job_id: str) -> str:
    """Below this lies what a later attempt can go on from; it goes when the job has ended."""
    return f"{CHECKPOINTS}{job_id}/"


def job_prefixes(job_id: str) -> tuple[str, ...]:
    """Everything that belongs to a job lies under these."""
    return tuple(f"{place}{job_id}/" for place in PLACES)


def job_of(key: str) -> str:
    """Whose this object is, by its key."""
    return key.split("/")[1]


def is_leftover(key: str, video_key: str | None) -> bool:
    """Whether this object is of an attempt that did not make the ended job's video; None if there is none."""
    folder = ATTEMPT_FOLDER.match(key)
    return folder is not None and (video_key is None or not video_key.startswith(folder[0]))
