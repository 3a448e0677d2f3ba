"""Builds the submission of a film: each shot with its defaults, its images and its windows; refusals name the shot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.windows import ShotLength, Window, plan_shots
from jobs.errors import InvalidRequest
from jobs.model.input_files import INPUT_FILES, SHOT_FILES, input_field, input_keys, shot_file
from jobs.model.model_card import ModelCard
from jobs.model.request import MAX_PROMPT_CHARS, Mode, ShotRequest, VideoRequest
from jobs.store.callers.async_submission import ModelOffer
from jobs.warning_texts import SHOT_IMAGE_STRETCHED
from service.inputs.resolver import InputImages, InputResolver
from service.inputs.source_video import get_completed_video
from service.resources import Resources
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.derived import RemixVideo
from service.schemas.requests.shots import ShotBody, ShotChange
from service.submission.build import MAX_SEED, NO_IMAGES, Submission, choose_card, request_fields, webhook_target
from service.submission.dimensions import read_size, requested_frames, stretch_warnings
from service.submission.prompts import check_prompt

# Fields of a video that a film does not have.
INSTEAD = {
    "prompt": "each shot has its own",
    "num_frames": "each shot has its own",
    "seconds": "each shot has its own",
    "image": "send it as the image of a shot",
    "input_reference": "send it as the image of a shot",
    "last_image": "send it as the last_image of a shot",
    "video": "a film is made from its shots",
    "mask": "it needs a video",
    "strength": "it needs a video",
    "resize_to_image": "send size, or width and height",
}
IMAGES = {name: name.partition(".")[0] for name in SHOT_FILES}  # the fields of a shot by the names of their files


def build_film(resources: Resources, owner: str, body: CreateVideo, offer: ModelOffer) -> Submission:
    """The submission of a film for one of the models on `offer`. Raises InvalidRequest, ApiError, ModelUnavailable."""
    _check_other_fields(body)
    card = choose_card(body.model, offer)
    if Mode.FILM not in card.modes:
        message = f"{card.name} makes no films yet; its workers need a newer release, or mode film in its card"
        raise _refusal(message, "shots", "film_unsupported", model=card.name)
    shots, warnings = _read_shots(body, card)
    fields = request_fields(body, card) | _fields_of_all(shots)
    fields["webhook"] = webhook_target(body.webhook, resources.outbound)
    fields["shots"] = _with_seeds(shots, body.shots, fields["seed"])
    images = _read_images(enumerate(body.shots), _resolver(resources, owner))
    size, _ = read_size(body, card, None, NO_IMAGES)
    return Submission(
        VideoRequest.model_validate(fields | {"width": size[0], "height": size[1]}),
        images.files,
        warnings=(*warnings, *images.warnings, *_stretched_images(images, size)),
        retention_s=card.retention_s,
        shares_work=body.share_work and _has_seeds(body),
    )


def build_film_remix(
    resources: Resources, owner: str, body: RemixVideo, offer: ModelOffer, video_id: str
) -> Submission:
    """The submission of the caller's completed film with changed shots. Raises InvalidRequest, ApiError."""
    webhook = webhook_target(body.webhook, resources.outbound)
    job = get_completed_video(resources.store, owner, video_id, None)
    first, changes = job.request, {int(index): change for index, change in (body.shots or {}).items()}
    _check_changes(first, body.prompt, changes)
    card = offer.card(first.model)
    card.check_loras([lora.name for lora in first.loras])
    film = _changed_film(first, changes)
    shots, warnings = _read_shots(film, card)
    seeded = tuple(_with_seeds(shots, film.shots, first.seed))
    images = _read_images(changes.items(), _resolver(resources, owner))
    own = {**_fields_of_all(shots), "shots": seeded, "metadata": body.metadata, "webhook": webhook}
    return Submission(
        request=first.model_copy(update=own),
        uploads=images.files,
        copies={name: key for name, key in input_keys(first).items() if name not in images.files},
        warnings=(*warnings, *images.warnings, *_stretched_images(images, (first.width, first.height))),
        remixed_from=job.id,
        retention_s=card.retention_s,
        shares_work=body.share_work,
    )


def _check_changes(first: VideoRequest, prompt: str, changes: Mapping[int, ShotChange]) -> None:
    if not first.shots:
        raise _refusal("the video is no film; send the prompt that changes", "shots", "not_a_film")
    if prompt:
        message = "prompt cannot be combined with shots; each shot has its own"
        raise _refusal(message, "prompt", "film_field", field="prompt")
    if changes and (last := max(changes)) >= len(first.shots):
        message = f"the film has the shots 0 to {len(first.shots) - 1}, and a remix adds none; got {last}"
        raise _refusal(message, f"shots[{last}]", "film_shot_unknown", count=len(first.shots))


def _changed_film(first: VideoRequest, changes: Mapping[int, ShotChange]) -> CreateVideo:
    """A film with the shots of `first` and these changes. An image that stays is the key of its file."""
    shots = [_changed_shot(shot, changes.get(index, ShotChange())) for index, shot in enumerate(first.shots)]
    settings = {name: getattr(first, name) for name in ("overlap", "negative_prompt", "clean_caption")}
    return CreateVideo.model_construct(shots=tuple(shots), **settings)


def _changed_shot(shot: ShotRequest, change: ShotChange) -> ShotBody:
    kept = {name: getattr(shot, name) for name in ("prompt", "negative_prompt", "num_frames", "seed", "overlap")}
    kept |= {field: getattr(shot, INPUT_FILES[file]) for file, field in IMAGES.items()}
    sent = {name: value for name in ShotChange.model_fields if (value := getattr(change, name)) is not None}
    if "seconds" in sent and "num_frames" not in sent:
        kept["num_frames"] = None
    if "image" in sent:
        kept["overlap"] = None  # a start image needs a cut
    return ShotBody.model_construct(**{"seconds": None, **kept, **sent})


def _fields_of_all(shots: Sequence[ShotRequest]) -> dict[str, Any]:
    """The prompt and the length of a film."""
    prompt = "\n".join(shot.prompt for shot in shots)
    if len(prompt) > MAX_PROMPT_CHARS:
        message = f"the prompts have more than {MAX_PROMPT_CHARS} characters together"
        raise _refusal(message, "shots", "film_prompts_too_long", most=MAX_PROMPT_CHARS)
    return {"prompt": prompt, "num_frames": sum(shot.num_frames for shot in shots)}


def _resolver(resources: Resources, owner: str) -> InputResolver:
    return InputResolver(owner, resources.fetcher, resources.uploads, resources.media)


def _refusal(message: str, param: str, reason: str, **values: str | float) -> InvalidRequest:
    return InvalidRequest(message, param, "invalid_shots", reason, **values)


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Refusals inside the block name the shot."""
    try:
        yield
    except InvalidRequest as error:
        code = error.code if error.code == "prompt_not_understood" else "invalid_shots"
        raise error.with_place(f"shots[{index}]: {error}", f"shots[{index}].{error.param}", code) from error


def _check_other_fields(body: CreateVideo) -> None:
    """Refuses fields of the request that have no meaning beside shots."""
    for name, reason in INSTEAD.items():
        if getattr(body, name) not in (None, "", False):
            raise _refusal(f"{name} cannot be combined with shots; {reason}", name, "film_field", field=name)
    if body.draft is not None:
        message = "draft cannot be combined with shots; a draft has one window"
        raise _refusal(message, "draft", "film_field", field="draft")
    if body.n > 1:
        raise _refusal("n cannot be combined with shots; send one request for each film", "n", "film_field", field="n")


def _read_shots(body: CreateVideo, card: ModelCard) -> tuple[list[ShotRequest], tuple[str, ...]]:
    """The shots without their images and seeds, and warnings."""
    shots: list[ShotRequest] = []
    warnings: list[str] = []
    if not card.window:
        message = f"{card.name} generates images, so it cannot make a film"
        raise _refusal(message, "shots", "images_only", model=card.name)
    for index, shot in enumerate(body.shots):
        with _naming(index):
            overlap = _read_overlap(shot, body.overlap, is_first=index == 0)
            room = card.max_video_frames - sum(each.num_frames for each in shots)
            num_frames, notes = _read_frames(shot, card, room)
            notes += check_prompt(shot.prompt, card, clean_caption=body.clean_caption)
        negative_prompt = body.negative_prompt if shot.negative_prompt is None else shot.negative_prompt
        texts = {"prompt": shot.prompt, "negative_prompt": negative_prompt}
        shots.append(ShotRequest(**texts, num_frames=num_frames, seed=0, overlap=overlap))
        warnings += [f"shots[{index}].{note}" for note in notes]
    plan = _plan(shots, body, card)
    counts = [sum(window.shot == index for window in plan) for index in range(len(shots))]
    counted = zip(shots, counts, strict=True)
    return [shot.model_copy(update={"num_windows": count}) for shot, count in counted], tuple(warnings)


def _read_overlap(shot: ShotBody, default: int, *, is_first: bool) -> int:
    """The frames that a shot shares with the one before. With an image, and without any before, they are 0."""
    if shot.overlap and shot.image is not None:
        message = f"a shot with an image begins with a cut: overlap must be 0 or absent, got {shot.overlap}"
        raise InvalidRequest(message, "overlap", reason="shot_image_overlap")
    absent = 0 if is_first or shot.image is not None else default
    overlap = absent if shot.overlap is None else shot.overlap
    continues = overlap > 0 and not is_first
    if shot.last_image is not None and shot.image is None and not continues:
        message = "last_image needs a start: send an image, or an overlap with a shot before"
        raise InvalidRequest(message, "last_image", reason="shot_end_image_alone")
    return overlap


def _read_frames(shot: ShotBody, card: ModelCard, room: int) -> tuple[int, tuple[str, ...]]:
    """The frames of a shot, at most `room`, and warnings about adjustments."""
    if shot.num_frames is None and shot.seconds is None:
        message = "num_frames is missing; send num_frames or seconds"
        raise InvalidRequest(message, "num_frames", reason="shot_without_length")
    most = card.max_video_frames // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    num_frames, warnings = requested_frames(shot, card, FRAMES_PER_SLICE, most, FRAMES_PER_SLICE)
    if num_frames > room:
        field = "seconds" if shot.num_frames is None else "num_frames"
        room, most = max(room, 0), card.max_video_frames
        message = f"{num_frames} frames are too many: the shots before leave {room} of {most}"
        raise InvalidRequest(message, field, reason="film_too_long", frames=num_frames, left=room, most=most)
    return num_frames, warnings


def _plan(shots: Sequence[ShotRequest], body: CreateVideo, card: ModelCard) -> tuple[Window, ...]:
    """The windows of the film, as the worker plans them."""
    has_end = [shot.last_image is not None for shot in body.shots]
    lengths = [
        ShotLength(shot.num_frames, shot.overlap, end_image) for shot, end_image in zip(shots, has_end, strict=True)
    ]
    return plan_shots(lengths, window=card.window, overlap=body.overlap)


def _has_seeds(body: CreateVideo) -> bool:
    return body.seed is not None or all(shot.seed is not None for shot in body.shots)


def _with_seeds(shots: Sequence[ShotRequest], bodies: Sequence[ShotBody], seed: int) -> list[ShotRequest]:
    """The shots with their own seeds, or consecutive ones from that of the request."""
    seeds = [seed + index if body.seed is None else body.seed for index, body in enumerate(bodies)]
    if max(seeds) > MAX_SEED:
        count = len(bodies) - 1
        raise _refusal(f"seed must leave room for {count} more below 2**63", "seed", "seed_without_room", count=count)
    return [shot.model_copy(update={"seed": seed}) for shot, seed in zip(shots, seeds, strict=True)]


def _read_images(shots: Iterable[tuple[int, ShotChange]], resolver: InputResolver) -> InputImages:
    """The images of these shots, decoded and checked. Raises InvalidRequest, ApiError."""
    decoded = {}
    for index, shot in shots:
        for file, name in IMAGES.items():
            if (value := getattr(shot, name)) is not None:
                param = f"shots[{index}].{name}"
                decoded[shot_file(index, file)] = resolver.media.read_image(resolver.read_image(value, param), param)
    return InputImages(decoded)


def _stretched_images(images: InputImages, size: tuple[int, int]) -> Iterator[str]:
    """A warning for each image of another shape than the film."""
    for name in images.decoded:
        yield from stretch_warnings(SHOT_IMAGE_STRETCHED, input_field(name), images.size(name), size)
