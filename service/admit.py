"""Admit a wish: the queue has room, the inputs are stored, and the job is durable when this returns."""

from contextlib import suppress

import structlog

from jobs.errors import JobsError
from jobs.record import Job, new_job_id
from jobs.request import VideoRequest
from jobs.storage import INPUT_FILES, input_key, job_prefixes
from service.create import Wish
from service.parts import Parts
from service.problems import Problem

log = structlog.get_logger()


def admit(parts: Parts, owner: str, wish: Wish) -> Job:
    """The accepted job. Raises Problem `queue_full`, `asset_expired`, StorageUnavailable, QueueUnavailable."""
    _check_room(parts, wish.request.model)
    job_id = new_job_id()
    try:
        request = _store_inputs(parts, job_id, wish)
        job = Job(
            id=job_id,
            owner=owner,
            request=request,
            created_at=parts.store.now(),
            remixed_from=wish.remixed_from,
            source=wish.source,
            warnings=wish.warnings,
        )
        parts.store.submit(job)
    except (JobsError, Problem):
        _take_back(parts, job_id)
        raise
    shape = {"mode": request.mode, "size": request.size, "num_frames": request.num_frames}
    log.info("job.admitted", job_id=job.id, owner=owner, model=request.model, **shape)
    return job


def _store_inputs(parts: Parts, job_id: str, wish: Wish) -> VideoRequest:
    """The request with the keys of its inputs, which are its own: whatever they were taken from may go."""
    for name, data in wish.uploads.items():
        parts.storage.put_bytes(input_key(job_id, name), data)
    for name, key in wish.copies.items():
        try:
            parts.storage.copy(key, input_key(job_id, name))
        except KeyError as error:
            raise Problem("asset_expired", "the file of that video is no longer stored; send it as a file") from error
    given = {*wish.uploads, *wish.copies}
    keys = {field: input_key(job_id, name) if name in given else None for name, field in INPUT_FILES.items()}
    return wish.request.model_copy(update=keys)


def _check_room(parts: Parts, model: str) -> None:
    most = parts.settings.max_queued_jobs
    if parts.store.queue_depth(model) >= most:
        raise Problem("queue_full", f"{most} videos are waiting for {model} already; come back in a while")


def _take_back(parts: Parts, job_id: str) -> None:
    """After a refusal nothing of the job shall be left, even if only the answer of Redis was lost."""
    with suppress(JobsError):
        parts.store.delete(job_id)
    for prefix in job_prefixes(job_id):
        with suppress(JobsError):
            parts.storage.delete_prefix(prefix)
