"""Admits a submission: checks the queue, stores the inputs, and writes the jobs."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from jobs.access.idempotency import Claim
from jobs.errors import JobsError, QueueUnavailable, StorageUnavailable
from jobs.model.input_files import with_input_keys
from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.storage.paths import input_key, job_prefixes
from jobs.store.callers.async_submission import ModelOffer
from jobs.store.callers.durable_submission import Withdrawal
from jobs.store.shared_runs import work_key
from jobs.tracing.spans import recorder
from service.http.errors import ApiError
from service.http.middleware import traceparent
from service.resources import Resources
from service.submission.build import Submission
from service.submission.capacity import full_reason, retry_after_s
from service.submission.deadline import Schedule
from service.submission.submitter import Submitter

log = structlog.get_logger()


@dataclass(frozen=True)
class Admission:
    """The ids of the jobs of a submission, and the trace to which they belong."""

    ids: list[str]
    traceparent: str | None


async def admit_jobs(
    submitter: Submitter, submission: Submission, schedule: Schedule, claim: Claim, offer: ModelOffer
) -> Job:
    """Writes all jobs of a submission, or none, and returns the first; or that of an earlier request with the key.

    Raises ApiError `queue_full`, `rate_limited`, `asset_expired`; StorageUnavailable; QueueUnavailable; NotDurable;
    RequestInFlight.
    """
    resources = submitter.resources
    await check_capacity(resources, submission, offer)
    ids = [claim.video_id, *(new_job_id() for _ in range(1, submission.count))]
    fields: dict[str, Any] = {"video_id": ids[0], "videos": len(ids), "mode": submission.request.mode}
    parent = await _continued_trace(submitter, submission)
    with recorder().span("video.submit", parent, "producer", model=submission.request.model, **fields) as span:
        trace = span.traceparent or traceparent.get()
        return await _admit(submitter, submission, schedule, claim, Admission(ids, trace))


async def _continued_trace(submitter: Submitter, submission: Submission) -> str | None:
    """The trace of the video that is extended, unless the request is part of another one; None without traces."""
    if not recorder().is_on or not submission.request.continues or traceparent.get() or submission.source is None:
        return None
    return (await submitter.resources.reader.get_owned(submission.source, submitter.owner)).traceparent


async def _admit(
    submitter: Submitter, submission: Submission, schedule: Schedule, claim: Claim, admission: Admission
) -> Job:
    resources, ids = submitter.resources, admission.ids
    if submitter.caller.limits.are_of_jobs:
        await submitter.reserve(ids, submission.pixel_frames)
    try:
        jobs = await _jobs(submitter, submission, schedule, admission)
        earlier_id = await resources.submission.submit_all(jobs, claim)
        if resources.durable is not None and not earlier_id:
            await resources.durable.wait(ids)
    except Exception as error:
        if not await _withdraw(resources, ids, claim):
            return await resources.reader.get_owned(ids[0], submitter.owner)
        await run_in_threadpool(_undo, submitter, submission, ids, answers=type(error) is not StorageUnavailable)
        raise
    if earlier_id:
        await run_in_threadpool(_undo, submitter, submission, ids)
        if resources.durable is not None:
            await resources.durable.confirm(earlier_id)
        return await resources.reader.get_owned(earlier_id, submitter.owner)
    for job in jobs:
        shape = {"mode": job.request.mode, "size": job.request.size, "num_frames": job.request.num_frames}
        log.info("job.admitted", job_id=job.id, owner=job.owner, model=job.request.model, **shape)
    return jobs[0]


async def _withdraw(resources: Resources, ids: list[str], claim: Claim) -> bool:
    """Withdraws jobs that are perhaps written but not on disk. False if a repetition was answered with the first."""
    if (durable := resources.durable) is None:
        return True
    withdrawal = Withdrawal(ids, claim)
    try:
        return await run_in_threadpool(durable.withdraw, withdrawal)
    except QueueUnavailable:
        durable.withdraw_later(withdrawal)
        return True


async def _jobs(submitter: Submitter, submission: Submission, schedule: Schedule, admission: Admission) -> list[Job]:
    """The jobs with these ids, with their inputs stored and consecutive seeds."""
    now, ids = await submitter.resources.clock.now(), admission.ids
    deadline = schedule.deadline(now)  # refused before anything is stored
    common: dict[str, Any] = {
        "owner": submitter.owner,
        "running_limit": submitter.caller.limits.running_jobs,
        "created_at": now,
        "priority": schedule.priority,
        "deadline": deadline,
        "remixed_from": submission.remixed_from,
        "source": submission.source,
        "promoted_from": submission.promoted_from,
        "warnings": submission.warnings,
        "batch": tuple(ids) if submission.count > 1 else (),
        "traceparent": admission.traceparent,
        "retention_s": submission.retention_s or submitter.resources.settings.default_retention_s,
    }
    requests = [await _with_inputs(submitter.resources, job_id, submission) for job_id in ids]
    seeded = [request.model_copy(update={"seed": request.seed + index}) for index, request in enumerate(requests)]
    jobs = [Job(id=job_id, request=request, **common) for job_id, request in zip(ids, seeded, strict=True)]
    if submission.shares_work and submitter.resources.settings.share_work == "on":
        jobs = [job.evolve(shared_key=_work_key(job, submission)) for job in jobs]
    return jobs


def _work_key(job: Job, submission: Submission) -> str:
    """The hash that equal jobs of the caller share. A copied input counts by its key, whose file never changes."""
    uploads = {name: hashlib.sha256(data).hexdigest() for name, data in submission.uploads.items()}
    parents = job.remixed_from, job.source, job.promoted_from
    return work_key(job.owner, job.request, {**uploads, **submission.copies}, parents)


async def _with_inputs(resources: Resources, job_id: str, submission: Submission) -> VideoRequest:
    if submission.uploads or submission.copies:
        return await run_in_threadpool(_store_inputs, resources, job_id, submission)
    return submission.request


def _store_inputs(resources: Resources, job_id: str, submission: Submission) -> VideoRequest:
    """Stores the inputs under keys of the job itself, since their sources may be deleted; returns the request."""
    for name, data in submission.uploads.items():
        resources.storage.put_bytes(input_key(job_id, name), data)
    for name, key in submission.copies.items():
        try:
            resources.storage.copy(key, input_key(job_id, name))
        except KeyError as error:
            raise ApiError("asset_expired", "the file of that video is no longer stored; send it as a file") from error
    keys = {name: input_key(job_id, name) for name in (*submission.uploads, *submission.copies)}
    return with_input_keys(submission.request, keys)


async def check_capacity(resources: Resources, submission: Submission, offer: ModelOffer) -> None:
    """Refuses if the queue is full, by the load read with the claim; by the current load if inputs were fetched.

    Raises ApiError `queue_full`, QueueUnavailable.
    """
    model = submission.request.model
    load = offer.loads.get(model)
    if load is None or submission.uploads or submission.copies:
        load = await resources.reader.current_load(model)
    if (reason := full_reason(resources.settings, load, submission.count)) is not None:
        message = f"{reason} for {model}; try again later, GET /v1/queue shows the queue"
        raise ApiError("queue_full", message, headers={"Retry-After": str(retry_after_s(load))})


def _undo(submitter: Submitter, submission: Submission, ids: Sequence[str], *, answers: bool = True) -> None:
    """Deletes all traces of the jobs after a refusal, even if only the reply of Redis was lost.

    `answers` is whether the storage answers. If not, the caller does not wait for more timeouts: the keeper deletes
    what has been stored, as files without a job.
    """
    resources = submitter.resources
    for job_id in ids:
        with suppress(JobsError):
            resources.store.delete(job_id)
    with suppress(StorageUnavailable):
        for prefix in (prefix for job_id in ids for prefix in job_prefixes(job_id) if answers):
            resources.storage.delete_prefix(prefix)
    with suppress(JobsError):
        resources.quotas.release(submitter.owner, submitter.caller.limits, ids, submission.pixel_frames)
