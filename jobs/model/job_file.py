"""The record of a job as a file beside its video, from which `easyanimate rebuild` restores a lost Redis."""

import json

from jobs.errors import RecordUnreadable
from jobs.model.job import Job, Result
from jobs.model.states import State
from jobs.model.stored import parse_stored

NAME = "job.json"


class InvalidJobFile(Exception):
    """The file cannot be read; the message says why."""


def job_file_key(video_key: str) -> str:
    """Returns the key of the file: in the folder of the attempt, where it is stored last."""
    return f"{video_key.rpartition('/')[0]}/{NAME}"


def write_job(job: Job, result: Result, now: float) -> bytes:
    """Serialises the running job as completed at `now`, in unix seconds. Its webhook holds a secret and is left out."""
    completed = job.evolve(
        state=State.COMPLETED,
        request=job.request.model_copy(update={"webhook": None}),
        token=None,
        segments=(),
        completed_at=now,
        expires_at=None if job.retention_s is None else now + job.retention_s,
        warnings=job.warnings + result.warnings,
        result=result,
    )
    return json.dumps(completed.to_fields(), indent=2, ensure_ascii=False).encode()


def read_job(content: bytes) -> Job:
    """Parses the completed job. Raises InvalidJobFile."""
    try:
        job = parse_stored(Job, content)
    except RecordUnreadable as error:
        raise InvalidJobFile(f"its {NAME} is of another version or damaged: {error}") from error
    if job.result is None:
        raise InvalidJobFile(f"its {NAME} has no video")
    return job
