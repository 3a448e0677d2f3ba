"""Admit a wish: the queue has room, the inputs are stored, and the job is durable when this returns."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from jobs.access.idempotency import Claim
from jobs.errors import JobsError
from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.storage.paths import INPUT_FILES, input_key, job_prefixes
from jobs.store.callers.async_submission import ModelOffer
from service.http.errors import ApiError
from service.http.trace import traceparent
from service.resources import Resources
from service.submission.build import Submission
from service.submission.capacity import full_reason, retry_after_s
from service.submission.submitter import Submitter

log = structlog.get_logger()


async def admit_jobs(asker: Submitter, wish: Submission, claim: Claim, offer: ModelOffer) -> Job:
    """The first of the accepted jobs: all of the wish are accepted, or none. It may be one that was there before.

    Raises ApiError `queue_full`, `rate_limited`, `asset_expired`; StorageUnavailable; QueueUnavailable;
    RequestInFlight.
    """
    resources, owner = asker.resources, asker.owner
    await _check_room(resources, wish, offer)
    ids = [claim.video_id, *(new_job_id() for _ in range(1, wish.count))]
    await asker.reserve(ids, wish.pixel_frames)
    try:
        jobs = await _jobs(asker, wish, ids)
        made_before = await resources.admission.submit_all(jobs, claim)
    except Exception:
        await run_in_threadpool(_take_back, asker, wish, ids)
        raise
    if made_before:
        await run_in_threadpool(_take_back, asker, wish, ids)
        return await resources.reader.get_owned(made_before, owner)
    for job in jobs:
        shape = {"mode": job.request.mode, "size": job.request.size, "num_frames": job.request.num_frames}
        log.info("job.admitted", job_id=job.id, owner=job.owner, model=job.request.model, **shape)
    return jobs[0]


async def _jobs(asker: Submitter, wish: Submission, ids: list[str]) -> list[Job]:
    """The jobs of these ids, with their inputs stored: the seed of each is one more than that of the one before."""
    now = await asker.resources.clock.now()
    deadline = wish.urgency.deadline(now)  # refused before anything is stored
    made: dict[str, Any] = {
        "owner": asker.owner,
        "running_limit": asker.caller.limits.running_jobs,
        "created_at": now,
        "priority": wish.urgency.priority,
        "deadline": deadline,
        "remixed_from": wish.remixed_from,
        "source": wish.source,
        "warnings": wish.warnings,
        "batch": tuple(ids) if wish.count > 1 else (),
        "traceparent": traceparent.get(),
        "retention_s": wish.retention_s or asker.resources.settings.usual_retention_s,
    }
    requests = [await _with_inputs(asker.resources, job_id, wish) for job_id in ids]
    seeds = [request.model_copy(update={"seed": request.seed + place}) for place, request in enumerate(requests)]
    return [Job(id=job_id, request=request, **made) for job_id, request in zip(ids, seeds, strict=True)]


async def _with_inputs(resources: Resources, job_id: str, wish: Submission) -> VideoRequest:
    if wish.uploads or wish.copies:
        return await run_in_threadpool(_store_inputs, resources, job_id, wish)
    return wish.request


def _store_inputs(resources: Resources, job_id: str, wish: Submission) -> VideoRequest:
    """The request with the keys of its inputs, which are its own: whatever they were taken from may go."""
    for name, data in wish.uploads.items():
        resources.storage.put_bytes(input_key(job_id, name), data)
    for name, key in wish.copies.items():
        try:
            resources.storage.copy(key, input_key(job_id, name))
        except KeyError as error:
            raise ApiError("asset_expired", "the file of that video is no longer stored; send it as a file") from error
    given = {*wish.uploads, *wish.copies}
    keys = {field: input_key(job_id, name) if name in given else None for name, field in INPUT_FILES.items()}
    return wish.request.model_copy(update=keys)


async def _check_room(resources: Resources, wish: Submission, offer: ModelOffer) -> None:
    """By the load that was read a moment ago; where inputs had to be fetched first, by the one of now."""
    model = wish.request.model
    load = offer.loads.get(model)
    if load is None or wish.uploads or wish.copies:
        load = await run_in_threadpool(resources.store.load, model)
    if (full := full_reason(resources.settings, load, wish.count)) is not None:
        message = f"{full} for {model}; come back in a while, GET /v1/queue tells how it stands"
        raise ApiError("queue_full", message, headers={"Retry-After": str(retry_after_s(load))})


def _take_back(asker: Submitter, wish: Submission, ids: Sequence[str]) -> None:
    """After a refusal nothing of the jobs shall be left, even if only the answer of Redis was lost."""
    for job_id in ids:
        with suppress(JobsError):
            asker.resources.store.delete(job_id)
        for prefix in job_prefixes(job_id):
            with suppress(JobsError):
                asker.resources.storage.delete_prefix(prefix)
    with suppress(JobsError):
        asker.resources.quotas.release(asker.owner, asker.caller.limits, ids, wish.pixel_frames)
