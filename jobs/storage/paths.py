"""Keys of objects in storage: inputs, results and checkpoints of each job."""

import re
from mimetypes import guess_type
from pathlib import PurePosixPath

INPUTS, VIDEOS, CHECKPOINTS = PLACES = ("inputs/", "videos/", "checkpoints/")  # below each, a folder per job
UPLOADS = "uploads/"  # below it, a folder per file
FOLDERS = (*PLACES, UPLOADS)
MARK_KEY = "installation.json"  # names the installation that the objects belong to

WINDOW_FRAMES, WINDOW_STATE = WINDOW_SUFFIXES = (".mkv", ".safetensors")  # of the two files of a stored window
WINDOW_FILE = re.compile(r"videos/[^/]+/windows/[0-9a-f]{64}\.(mkv|safetensors)")
ATTEMPT_FOLDER = re.compile(r"videos/[^/]+/\d+-[0-9a-f]+/")

MEDIA_TYPES = {  # that some systems do not know, or take for others
    ".ts": "video/mp2t",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".avif": "image/avif",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}


def content_type_of(key: str) -> str:
    """Returns the media type of a key's suffix."""
    return MEDIA_TYPES.get(PurePosixPath(key).suffix) or guess_type(key)[0] or "application/octet-stream"


def input_key(job_id: str, name: str) -> str:
    """Returns the key of an input of a job; `name` is one of `jobs.model.input_files`."""
    return f"{INPUTS}{job_id}/{name}"


def result_key(job_id: str, attempt: int, token: str, name: str) -> str:
    """Returns the key of a result: attempt and token differ, so two attempts never write the same key."""
    return f"{VIDEOS}{job_id}/{attempt}-{token}/{name}"


def attempts_prefix(job_id: str) -> str:
    """Returns the prefix of all results of a job; each attempt has a folder of its own."""
    return f"{VIDEOS}{job_id}/"


def window_file_keys(job_id: str, window: str) -> tuple[str, str]:
    """Returns the keys of the two files of a stored window, whose name is a hash. They are deleted with the job."""
    frames, state = (f"{VIDEOS}{job_id}/windows/{window}{suffix}" for suffix in WINDOW_SUFFIXES)
    return frames, state


def is_window_file(key: str) -> bool:
    """Whether this is the key of a file of a stored window."""
    return WINDOW_FILE.fullmatch(key) is not None


def checkpoint_prefix(job_id: str) -> str:
    """Returns the prefix of a job's checkpoints, which are deleted after the job has ended."""
    return f"{CHECKPOINTS}{job_id}/"


def job_prefixes(job_id: str) -> tuple[str, ...]:
    """Returns the prefixes of all objects of a job."""
    return tuple(f"{place}{job_id}/" for place in PLACES)


def job_of(key: str) -> str:
    """Returns the id of the job or file in a key."""
    return key.split("/")[1]


def is_leftover(key: str, video_key: str | None) -> bool:
    """Whether this object belongs to another attempt than the one with the ended job's video, None without one."""
    folder = ATTEMPT_FOLDER.match(key)
    return folder is not None and (video_key is None or not video_key.startswith(folder[0]))
