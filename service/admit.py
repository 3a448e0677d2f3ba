"""Admit a wish: the queue has room, the picture is stored, and the job is durable when this returns."""

from contextlib import suppress

import structlog

from jobs.errors import JobsError
from jobs.record import Job, new_job_id
from jobs.storage import image_key, job_prefixes
from service.create import Wish
from service.parts import Parts
from service.problems import Problem

log = structlog.get_logger()


def admit(parts: Parts, owner: str, wish: Wish) -> Job:
    """The accepted job. Raises Problem `queue_full`, InvalidRequest, StorageUnavailable, QueueUnavailable."""
    picture = parts.images.to_png(wish.picture[1], wish.picture[0]) if wish.picture else None
    _check_room(parts, wish.request.model)
    job_id = new_job_id()
    request = wish.request
    if picture is not None:
        request = request.model_copy(update={"image_key": image_key(job_id)})
        parts.storage.put_bytes(image_key(job_id), picture)
    job = Job(id=job_id, owner=owner, request=request, created_at=parts.store.now(), warnings=wish.warnings)
    try:
        parts.store.submit(job)
    except JobsError:
        _take_back(parts, job)
        raise
    shape = {"size": request.size, "num_frames": request.num_frames, "has_image": picture is not None}
    log.info("job.admitted", job_id=job.id, owner=owner, model=request.model, **shape)
    return job


def _check_room(parts: Parts, model: str) -> None:
    most = parts.settings.max_queued_jobs
    if parts.store.queue_depth(model) >= most:
        raise Problem("queue_full", f"{most} videos are waiting for {model} already; come back in a while")


def _take_back(parts: Parts, job: Job) -> None:
    """After a 503 nothing of the job shall be left, even if only the answer of Redis was lost."""
    with suppress(JobsError):
        parts.store.delete(job.id)
    for prefix in job_prefixes(job.id):
        with suppress(JobsError):
            parts.storage.delete_prefix(prefix)
