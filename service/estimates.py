"""Estimates a video before it is requested: the refusals, the warnings, the work, the place in the queue, the time."""

from starlette.concurrency import run_in_threadpool

from jobs.model.model_card import ModelCard
from jobs.model.steps import steps_to_make
from jobs.queue.run_times import TimeRange
from jobs.store.callers.reader import UpcomingPlace
from jobs.warning_texts import MODEL_IDLE
from service.http.errors import ApiError
from service.moderation import moderate
from service.resources import Resources
from service.schemas.estimate import TimeEstimate, VideoEstimate
from service.schemas.requests.create import CreateVideo
from service.schemas.video import warning_records
from service.submission.admission import check_capacity
from service.submission.build import Submission, build_submission
from service.submission.deadline import read_schedule
from service.submission.drafts import count_windows
from service.submission.films import build_film
from service.submission.submitter import Submitter


async def estimate_request(submitter: Submitter, body: CreateVideo) -> VideoEstimate:
    """The estimate of a request. Raises what a request for the video would raise; nothing is stored."""
    resources, owner = submitter.resources, submitter.owner
    schedule = read_schedule(body, submitter.cancel_after)
    offer = await resources.submission.offer()
    build = build_film if body.shots else build_submission
    submission = await run_in_threadpool(build, resources, owner, body, offer)
    await moderate(resources, owner, submission)
    await check_capacity(resources, submission, offer)
    await submitter.check_room(submission.count, submission.pixel_frames)
    schedule.deadline(await resources.clock.now())
    await run_in_threadpool(_check_copies, resources, submission)
    model = submission.request.model
    place = await resources.reader.queue_for(model, owner, schedule.priority, submission.count)
    reason = await run_in_threadpool(resources.registry.idle_reason, model)
    return _to_estimate(submission, offer.card(model), place, reason)


def _to_estimate(submission: Submission, card: ModelCard, place: UpcomingPlace, reason: str | None) -> VideoEstimate:
    request = submission.request
    windows = count_windows(request, {*submission.uploads, *submission.copies}, card)
    idle = (MODEL_IDLE.fill(model=card.name, reason=reason),) if reason else ()
    warnings = (*submission.warnings, *idle)
    return VideoEstimate(
        model=card.name,
        size=request.size,
        seconds=f"{request.seconds:.4g}",
        num_frames=request.num_frames,
        n=submission.count,
        windows=windows,
        steps=windows * steps_to_make(request),
        pixel_frames=submission.pixel_frames,
        position=place.before_first,
        eta_s=None if reason else _eta(_range(submission, place)),
        warnings=warnings,
        warning_codes=warning_records(warnings),
    )


def _range(submission: Submission, place: UpcomingPlace) -> TimeRange | None:
    if place.times is None:
        return None
    return place.times.range_of([submission.request] * submission.count, place.load, place.before_last, place.running_s)


def _eta(seconds: TimeRange | None) -> TimeEstimate | None:
    if seconds is None:
        return None
    return TimeEstimate(p50=round(seconds.p50, 1), p90=None if seconds.p90 is None else round(seconds.p90, 1))


def _check_copies(resources: Resources, submission: Submission) -> None:
    """Checks that the files of a source video exist. Raises ApiError `asset_expired`, StorageUnavailable."""
    for key in submission.copies.values():
        try:
            resources.storage.stat(key)
        except KeyError as error:
            raise ApiError("asset_expired", "the file of that video is no longer stored; send it as a file") from error
