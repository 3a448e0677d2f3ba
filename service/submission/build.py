"""Builds the submission of a validated body: the complete request with all defaults, its inputs and its warnings."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from easyanimate.sampling import QUALITIES
from jobs.errors import InvalidRequest, ModelNotFound
from jobs.model.input_files import DRAFT_STATE, input_keys
from jobs.model.model_card import ModelCard
from jobs.model.request import GenerationSettings, VideoRequest, WebhookTarget
from jobs.model.steps import charged_pixel_frames
from jobs.outbound_http import OutboundClient
from jobs.store.callers.async_submission import ModelOffer
from jobs.webhooks.signature import check_secret
from service.inputs.resolver import VIDEO_FILE, InputImages, InputResolver, read_images
from service.inputs.source_video import SourceVideo, get_completed_video, read_source_video
from service.resources import Resources
from service.schemas.requests.create import INPUT_FIELDS, CreateVideo
from service.schemas.requests.derived import EditVideo, ExtendVideo, PromoteVideo, RemixVideo
from service.schemas.requests.parts import WebhookBody
from service.submission.dimensions import Length, rate_warnings, read_length, read_size
from service.submission.drafts import as_draft, as_promotion, count_windows, draft_key, get_draft, without_draft
from service.submission.prompts import check_prompt
from service.submission.rules import check_combinations, with_inherited_settings
from service.submission.strength import read_strength

RANDOM_SEEDS = 2**32  # every client language represents these exactly
MAX_SEED = 2**63 - 1
NO_IMAGES = InputImages()


@dataclass(frozen=True)
class Submission:
    """A complete request whose inputs are not yet stored, with the inputs and warnings about adjustments.

    `uploads` are contents and `copies` keys in storage, both by the name of the input file. The request is that of the
    first of `count` videos; the seeds of the others follow. `retention_s` is the retention that the model defines.
    `shares_work` is whether its videos may share the run of equal ones.
    """

    request: VideoRequest
    uploads: dict[str, bytes] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    remixed_from: str | None = None
    source: str | None = None
    promoted_from: str | None = None
    count: int = 1
    retention_s: float | None = None
    shares_work: bool = False

    @property
    def pixel_frames(self) -> int:
        """The pixel-frames that all its videos take from the caller's daily quota."""
        return charged_pixel_frames(self.request) * self.count


def build_submission(
    resources: Resources, owner: str, body: CreateVideo | EditVideo | ExtendVideo, offer: ModelOffer
) -> Submission:
    """The submission of a body for one of the models on `offer`. Raises InvalidRequest, ApiError, ModelUnavailable."""
    extends = isinstance(body, ExtendVideo)
    body = CreateVideo.model_construct(body.model_fields_set, **dict(body))
    check_combinations(body, extends=extends)
    resolver = InputResolver(owner, resources.fetcher, resources.uploads, resources.media)
    source = None if body.video is None else read_source_video(body.video, resources.store, resolver)
    if source and source.job:
        body = with_inherited_settings(body, source.job.request)
    card = choose_card(body.model, offer)
    length = read_length(body, card, source, extends=extends)
    _check_start_image(body, length)
    unknown_words = check_prompt(body.prompt, card, clean_caption=body.clean_caption)
    fields = request_fields(body, card)
    fields |= {"num_frames": length.num_frames, "video_num_frames": length.source_frames, "continues": extends}
    fields["webhook"] = webhook_target(body.webhook, resources.outbound)
    images = read_images(body, resolver) if INPUT_FIELDS & body.model_fields_set else NO_IMAGES
    size, size_warnings = read_size(body, card, source, images)
    fields |= {"width": size[0], "height": size[1]}
    if source is not None and not extends:
        fields["strength"] = _edit_strength(resources, body, card, fields, images)
    request, inputs = VideoRequest.model_validate(fields), _inputs(images, source)
    if body.draft is not None:
        windows = count_windows(request, {name for part in inputs for name in part}, card)
        request = as_draft(request, body.draft.steps, windows)
    about_inputs = rate_warnings(card, source) + _input_warnings(images, source)
    return Submission(
        request,
        *inputs,
        warnings=unknown_words + length.warnings + size_warnings + about_inputs,
        source=source.job.id if source and source.job else None,
        count=_count(body.n, request.seed),
        retention_s=card.retention_s,
        shares_work=body.share_work and body.seed is not None,
    )


def build_remix(resources: Resources, owner: str, body: RemixVideo, offer: ModelOffer, video_id: str) -> Submission:
    """The submission of a remix of the caller's completed video. Raises InvalidRequest, ApiError, ModelUnavailable."""
    webhook = webhook_target(body.webhook, resources.outbound)
    job = get_completed_video(resources.store, owner, video_id, None)
    if job.request.shots:
        message = (
            'a film has a prompt for each shot; send the shots that change, as in {"shots": {"1": {"prompt": "…"}}}'
        )
        raise InvalidRequest(message, "prompt", "invalid_shots", "film_remix")
    first = without_draft(job.request)
    card = offer.card(first.model)
    card.check_loras([lora.name for lora in first.loras])
    return Submission(
        request=first.model_copy(update={"prompt": body.prompt, "metadata": body.metadata, "webhook": webhook}),
        copies=input_keys(first),
        warnings=check_prompt(body.prompt, card, clean_caption=job.request.clean_caption),
        remixed_from=job.id,
        source=job.source,
        retention_s=card.retention_s,
        shares_work=body.share_work,
    )


def build_promotion(
    resources: Resources, owner: str, body: PromoteVideo, offer: ModelOffer, video_id: str
) -> Submission:
    """The submission that finishes a draft. Raises InvalidRequest, ApiError, ModelUnavailable."""
    webhook = webhook_target(body.webhook, resources.outbound)
    job = get_draft(resources.store, owner, video_id)
    card = offer.card(job.request.model)
    card.check_loras([lora.name for lora in job.request.loras])
    return Submission(
        request=as_promotion(job.request, {"metadata": body.metadata, "webhook": webhook}),
        copies={**input_keys(job.request), DRAFT_STATE: draft_key(job)},
        promoted_from=job.id,
        source=job.source,
        retention_s=card.retention_s,
        shares_work=body.share_work,
    )


def request_fields(body: CreateVideo, card: ModelCard) -> dict[str, Any]:
    """The fields of the request that need no inputs, with the defaults of the model. Raises InvalidRequest."""
    steps, scale = body.num_inference_steps, body.guidance_scale
    fields = {name: getattr(body, name) for name in GenerationSettings.model_fields} | {
        "model": card.name,
        "fps": _fps(body.fps, card),
        "scheduler": card.default_scheduler if body.scheduler is None else body.scheduler,
        "num_inference_steps": card.default_num_inference_steps if steps is None else steps,
        "guidance_scale": card.default_guidance_scale if scale is None else scale,
        "seed": secrets.randbelow(RANDOM_SEEDS) if body.seed is None else body.seed,
        "strength": 1.0,
        "loras": [{"name": lora.name, "scale": lora.scale} for lora in body.loras],
        "preview_every_steps": body.previews.every_steps if body.previews else None,
        "metadata": body.metadata,
    }
    _check_quality(body.quality)
    card.check_sampling(fields["scheduler"], fields["num_inference_steps"])
    card.check_loras([lora.name for lora in body.loras])
    return fields


def _check_quality(quality: str) -> None:
    """Refuses the quality of a newer release, which a source video may pass on. Raises InvalidRequest."""
    if quality not in QUALITIES:
        choices = " or ".join(map(repr, QUALITIES))
        message = f"quality must be {choices} in this version, and the source video has {quality!r}; send quality"
        raise InvalidRequest(message, "quality", reason="not_a_choice", choices=choices)


def _check_start_image(body: CreateVideo, length: Length) -> None:
    if length.num_frames == 1 and body.start_image is not None:
        message = "a start image needs frames that follow it: num_frames 8 or more, got 1"
        raise InvalidRequest(message, "num_frames", "invalid_seconds", "image_for_one_frame")


def _edit_strength(
    resources: Resources, body: CreateVideo, card: ModelCard, fields: dict[str, Any], images: InputImages
) -> float:
    """The strength of a change of a video, whose mask has the size of the request. Raises InvalidRequest."""
    mask, size = images.files.get("mask.png"), (fields["width"], fields["height"])
    levels = None if mask is None else resources.media.mask_levels(mask, size)
    return read_strength(body.strength, card, fields["scheduler"], fields["num_inference_steps"], levels)


def _inputs(images: InputImages, source: SourceVideo | None) -> tuple[dict[str, bytes], dict[str, str]]:
    """The uploads and the copies of a submission."""
    uploads, copies = dict(images.files), {}
    if source is not None and source.data is not None:
        uploads[VIDEO_FILE] = source.data
    if source is not None and source.job is not None and source.job.result is not None:
        copies[VIDEO_FILE] = source.job.result.video_key
    return uploads, copies


def _input_warnings(images: InputImages, source: SourceVideo | None) -> tuple[str, ...]:
    return images.warnings + (source.warnings if source else ())


def webhook_target(webhook: WebhookBody | None, outbound: OutboundClient) -> WebhookTarget | None:
    """The receiver, if its URL is allowed; the URL is checked again at each delivery. Raises InvalidRequest."""
    if webhook is None:
        return None
    if webhook.secret is not None:
        check_secret(webhook.secret)
    outbound.check(webhook.url, "webhook.url")
    return WebhookTarget.model_validate(webhook.model_dump())


def choose_card(name: str | None, offer: ModelOffer) -> ModelCard:
    """The card of the requested model, or of the only one. Raises InvalidRequest, ModelUnavailable."""
    try:
        return offer.card(name)
    except ModelNotFound as error:
        raise InvalidRequest(str(error), "model", error.code, "model_unknown", name=str(name)) from error


def _fps(fps: int | None, card: ModelCard) -> int:
    if fps not in (None, card.fps):
        message = f"fps must be {card.fps}, the rate of {card.name}, in this version; got {fps}"
        raise InvalidRequest(message, "fps", reason="fps_fixed", fps=card.fps, model=card.name)
    return card.fps


def _count(count: int, first_seed: int) -> int:
    if first_seed + count - 1 > MAX_SEED:
        message = f"seed must leave room for {count - 1} more below 2**63"
        raise InvalidRequest(message, "seed", reason="seed_without_room", count=count - 1)
    return count
