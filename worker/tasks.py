"""The one task of the queue: a video, from pick-up to committed result.

The supervisor leases the job before it calls this and hands over the attempt; entering it starts the beats, leaving it
settles the job however it ended.
"""

from contextvars import ContextVar

from worker.attempt.attempt import AttemptRun
from worker.crash_points import crash_point

ATTEMPT: ContextVar[AttemptRun] = ContextVar("attempt")


def make_video(job_id: str) -> None:
    """Make the video of the job that was leased for this call."""
    with ATTEMPT.get() as attempt:
        if attempt.job.id != job_id:
            raise ValueError(f"{attempt.job.id} was leased, not {job_id}")
        crash_point("worker.leased")
        inputs = attempt.fetch_inputs()
        crash_point("worker.fetched")
        video = attempt.generate(inputs)
        crash_point("worker.made")
        attempt.commit_result(video)
        crash_point("worker.committed")
