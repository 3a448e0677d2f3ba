"""Moderation of requests before anything is stored: first the prompts, then the input files."""

from collections.abc import Iterator

from anyio import CapacityLimiter, move_on_after, to_thread
from anyio.lowlevel import RunVar

from jobs.model.input_files import DRAFT_STATE, input_field
from jobs.moderation import (
    MAX_MODERATED_BYTES,
    ModeratedFile,
    ModerationCase,
    ModerationStage,
    Moderator,
    Verdict,
    refusal_sentence,
)
from jobs.storage.interface import Storage, read_all
from jobs.storage.paths import content_type_of
from service.http.errors import ApiError
from service.resources import Resources
from service.submission.build import Submission

MAX_THREADS = 32  # that wait for the hook; other requests have threads of their own
MAX_THREAD_WAIT_S = 10.0
_THREADS: RunVar[CapacityLimiter] = RunVar("moderation_threads")


async def moderate(resources: Resources, owner: str, submission: Submission) -> None:
    """Refuses a submission that the hook refuses; nothing without a hook. Raises ApiError `moderation_refused`."""
    moderator = resources.moderator
    if moderator is None:
        return
    verdict = await _check(moderator, ModerationCase(ModerationStage.PROMPT, owner, submission.request))
    if not verdict.allow:
        raise ApiError("moderation_refused", refusal_sentence("the prompt", verdict), "prompt")
    names = [name for name in (*submission.uploads, *submission.copies) if name != DRAFT_STATE]
    if not names:
        return
    files = tuple(await to_thread.run_sync(lambda: list(_files(submission, resources.storage)), limiter=_threads()))
    verdict = await _check(moderator, ModerationCase(ModerationStage.INPUT, owner, submission.request, files))
    if not verdict.allow:
        field = input_field(names[0]) if len(names) == 1 else None
        subject = f"the input {field}" if field else "the inputs"
        raise ApiError("moderation_refused", refusal_sentence(subject, verdict), field)


async def _check(moderator: Moderator, case: ModerationCase) -> Verdict:
    """The verdict; that of a failure if no thread is free for too long."""
    with move_on_after(MAX_THREAD_WAIT_S):  # a call that has begun is not cancelled: it has a limit of its own
        return await to_thread.run_sync(moderator.check, case, limiter=_threads())
    await to_thread.run_sync(moderator.count_failure, case.stage, "too many requests wait for the moderation")
    return moderator.verdict_of_failure


def _files(submission: Submission, storage: Storage) -> Iterator[ModeratedFile]:
    """The input files: those of the request, and those of the video that it is made from."""
    for name, data in submission.uploads.items():
        shown = data if len(data) <= MAX_MODERATED_BYTES else None
        yield ModeratedFile(name, content_type_of(name), len(data), shown)
    for name, key in submission.copies.items():
        if name == DRAFT_STATE:
            continue
        try:
            size_bytes = storage.stat(key).size_bytes
            shown = read_all(storage, key) if size_bytes <= MAX_MODERATED_BYTES else None
        except KeyError as error:
            raise ApiError("asset_expired", "the file of that video is no longer stored; send it as a file") from error
        yield ModeratedFile(name, content_type_of(name), size_bytes, shown)


def _threads() -> CapacityLimiter:
    """The threads of the hook, of this event loop."""
    try:
        return _THREADS.get()
    except LookupError:
        limiter = CapacityLimiter(MAX_THREADS)
        _THREADS.set(limiter)
        return limiter
