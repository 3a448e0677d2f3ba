"""The result of an attempt in the record of its job."""

from jobs.model.job import Result
from jobs.storage.paths import content_type_of
from worker.protocol.messages import Done


def result_of(key: str, done: Done, phases: dict[str, float]) -> Result:
    """The result stored at `key`; `phases` has the seconds of each phase, also of those after the engine's."""
    return Result(
        video_key=key,
        content_type=content_type_of(key),
        size_bytes=done.size_bytes,
        content_sha256=done.sha256,
        inference_time_s=round(sum(done.phase_seconds.values()), 3),
        peak_memory_mb=done.peak_memory_mb,
        phase_seconds=phases,
        warnings=done.warnings,
        segment_frames=done.segment_frames,
        segment_sha256=done.segment_sha256,
        unsigned_sha256=done.unsigned_sha256,
        steps=done.steps,
        draft_reused=done.draft_reused,
        drift=done.drift,
        num_windows=done.num_windows,
        reused_windows=done.reused_windows,
    )
