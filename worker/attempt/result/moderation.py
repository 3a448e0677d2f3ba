"""Moderation of a result: it is checked before anything of it is stored, so a refused video is never visible."""

import time
from collections.abc import Iterator
from pathlib import Path

from jobs.model.failure import Blame, failure
from jobs.model.job import Job
from jobs.model.result_files import FILES, Variant
from jobs.moderation import (
    MAX_MODERATED_BYTES,
    ModeratedFile,
    ModerationCase,
    ModerationFailed,
    ModerationStage,
    Moderator,
    Verdict,
    refusal_sentence,
)
from jobs.storage.paths import content_type_of
from worker.attempt.outcomes import JobFailed
from worker.attempt.stop_signals import StopSignals

RETRY_FOR_S = 60.0  # a finished video is expensive, so a hook that restarts is tried again
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 10.0


def moderate_output(moderator: Moderator, job: Job, result_path: Path, stop_signals: StopSignals) -> None:
    """Refuses a result that the hook refuses. Raises AttemptEnded: the job fails with `moderation_refused`.

    The hook receives the result and its sheet of frames. If it fails for a minute, the setting decides.
    """
    paths = (result_path, result_path.with_name(FILES[Variant.SPRITESHEET]))
    files = tuple(_file(path) for path in paths if path.exists())
    case = ModerationCase(ModerationStage.OUTPUT, job.owner, job.request, files, job.id)
    verdict = _verdict(moderator, case, stop_signals)
    if verdict.allow:
        return
    why = failure("moderation_refused", refusal_sentence("this video", verdict))
    if not verdict.is_checked:
        why = why.model_copy(update={"retryable": True, "blame": Blame.INFRASTRUCTURE})
    raise JobFailed(why)


def _verdict(moderator: Moderator, case: ModerationCase, stop_signals: StopSignals) -> Verdict:
    started = time.monotonic()
    for pause_s in _pauses():
        stop_signals.raise_if_stopped()
        try:
            return moderator.try_check(case)
        except ModerationFailed:
            if time.monotonic() - started + pause_s > RETRY_FOR_S:
                break
        time.sleep(pause_s)
    return moderator.verdict_of_failure


def _pauses() -> Iterator[float]:
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, MAX_PAUSE_S)


def _file(path: Path) -> ModeratedFile:
    size_bytes = path.stat().st_size
    data = path.read_bytes() if size_bytes <= MAX_MODERATED_BYTES else None
    return ModeratedFile(path.name, content_type_of(path.name), size_bytes, data)
