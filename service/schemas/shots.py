"""The shots of a film in its record."""

from pydantic import BaseModel

from jobs.model.job import Job, PublicStatus
from jobs.model.states import Phase, State


class ShotRecord(BaseModel):
    """One shot of a film: where it begins, its length, and how far it is.

    It is `completed` when the next shot has begun or the film is completed. `windows_reused` counts the windows that
    were taken from another video, 0 before the end.
    """

    index: int
    status: PublicStatus
    first_frame: int
    num_frames: int
    windows: int
    windows_reused: int


def shot_records(job: Job) -> list[ShotRecord] | None:
    """The shots of a film; None for a video of one prompt."""
    shots, windows = job.request.shots, 0
    if not shots:
        return None
    current, records = _current_window(job), list[ShotRecord]()
    reused = set(job.result.reused_windows) if job.result else set[int]()
    for index, shot in enumerate(shots):
        own = range(windows, windows + shot.num_windows)
        is_begun, windows = current >= windows, own.stop
        records.append(
            ShotRecord(
                index=index,
                status=_status(job, is_begun=is_begun, is_done=current >= windows),
                first_frame=sum(record.num_frames for record in records),
                num_frames=shot.num_frames,
                windows=shot.num_windows,
                windows_reused=len(reused.intersection(own)),
            )
        )
    return records


def _status(job: Job, *, is_begun: bool, is_done: bool) -> PublicStatus:
    if job.public_status in ("queued", "in_progress"):
        if is_done:
            return "completed"
        return "in_progress" if is_begun and job.public_status == "in_progress" else "queued"
    return "completed" if is_done else job.public_status


def _current_window(job: Job) -> int:
    """The window whose steps are running, by the steps of all windows."""
    total = sum(shot.num_windows for shot in job.request.shots)
    if job.state is State.COMPLETED:
        return total
    if job.phase in (Phase.DECODING, Phase.MUXING, Phase.UPLOADING):
        return total - 1
    steps = job.total_steps // total
    return max(job.step - 1, 0) // steps if steps else 0
