"""Jobs of the same work as an attempt: they get its result or its failure, or continue its run.

`jobs/store/shared_runs.py` has the rules in Redis.
"""

import time
from contextlib import suppress
from functools import partial

import structlog

from jobs.errors import JobNotFound, RecordUnreadable
from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.model.job_file import NAME
from jobs.model.result_files import FILES, Variant, sibling_key
from jobs.model.states import Phase, State
from jobs.store.leases import WorkerJobs
from worker.attempt.attempt import AttemptRun
from worker.attempt.outcomes import JobFailed

log = structlog.get_logger()

NOT_COPIED = (NAME, FILES[Variant.PREVIEW])  # the copy has a job file of its own


def apply_shared_outcome(attempt: AttemptRun) -> bool:
    """Ends the job with a copy of the result of an equal job; False if it needs a run of its own.

    Raises JobFailed with the failure of the equal job, and AttemptEnded.
    """
    earlier = attempt.shared_outcome()
    if earlier is None:
        return False
    if earlier.result is None:
        raise JobFailed(earlier.failure or failure("internal_error"))
    started = time.monotonic()
    try:
        attempt.stop_signals.has_video = True
        _copy_files(attempt, earlier.result.video_key)
    except KeyError:  # the equal video was deleted meanwhile
        attempt.stop_signals.has_video = False
        return False
    shared_with = earlier.result.shared_with or earlier.id  # a copy may be copied
    attempt.commit(_copied(earlier.result, shared_with, attempt.result_key, time.monotonic() - started))
    log.info("job.shared", job_id=attempt.job.id, shared_with=shared_with)
    return True


def _copy_files(attempt: AttemptRun, video_key: str) -> None:
    """Copies the files of a result to the folder of this attempt. Raises KeyError if one is missing."""
    folder, storage = sibling_key(video_key, ""), attempt.files.storage
    names = {video_key.removeprefix(folder)}
    attempt.files.retry(lambda: names.update(item.key.removeprefix(folder) for item in storage.list(folder)))
    for name in sorted(names.difference(NOT_COPIED)):
        attempt.files.retry(partial(storage.copy, folder + name, sibling_key(attempt.result_key, name)))


def _copied(result: Result, shared_with: str, video_key: str, copied_s: float) -> Result:
    """The result of an equal job under another key, with the time of the copy and without steps."""
    seconds = round(copied_s, 3)
    changes = {
        "video_key": video_key,
        "inference_time_s": seconds,
        "phase_seconds": {Phase.UPLOADING.value: seconds},
        "steps": 0,
        "shared_with": shared_with,
    }
    return result.model_copy(update=changes)


def next_sharer(store: WorkerJobs, job: Job) -> Job | None:
    """The waiting job that is next after the attempt at `job`: it gets the same outcome, or continues the run."""
    if job.shared_key is None:
        return None
    state: State | None = None
    with suppress(JobNotFound):
        try:
            state = store.table.get(job.id).state
        except RecordUnreadable:
            return None
    for other in store.waiting_sharers(job):
        if state in (None, State.CANCELLED, State.EXPIRED) or store.shared_outcome(other) is not None:
            return other
    return None
