"""A caller's fields become a complete, checked request: what cannot be made is refused here, with what can."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.access.quotas import request_pixel_frames
from jobs.errors import InvalidRequest, ModelNotFound
from jobs.model.model_card import ModelCard
from jobs.model.request import (
    DEFAULT_WEBHOOK_EVENTS,
    MAX_PROMPT_CHARS,
    WEBHOOK_EVENTS,
    LoraChoice,
    VideoRequest,
    WebhookTarget,
)
from jobs.outbound_http import OutboundClient
from jobs.storage.paths import INPUT_FILES
from jobs.store.callers.async_submission import ModelOffer
from jobs.webhooks.signature import check_secret
from service.http.fields import Fields
from service.inputs.resolver import VIDEO_FILE, InputImages, image_name, read_images
from service.inputs.source_video import SourceVideo, get_own_video, read_source_video
from service.resources import Resources
from service.schemas.create import (
    DEFAULT_LORA_SCALE,
    MAX_GUIDANCE_SCALE,
    MAX_LORA_SCALE,
    MAX_LORAS,
    MAX_METADATA_KEY_CHARS,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE_CHARS,
    MAX_OVERLAP,
    MAX_URL_CHARS,
    MAX_VIDEOS,
    REMIX,
    WEBHOOK,
)
from service.submission.deadline import Schedule
from service.submission.dimensions import read_length, read_size
from service.submission.rules import check_combinations, with_inherited_settings
from service.submission.strength import read_strength


def read_prompt(fields: Fields) -> str:
    """The prompt, which has to say something. Raises InvalidRequest."""
    prompt = fields.text("prompt", MAX_PROMPT_CHARS)
    if prompt is None or not prompt.strip():
        raise InvalidRequest("prompt is missing or blank; say what the video shall show", "prompt")
    return prompt


def read_request_metadata(fields: Fields) -> dict[str, str]:
    """The caller's pairs of text, none if there are none. Raises InvalidRequest."""
    metadata = fields.part("metadata")
    if metadata is None:
        return {}
    if len(metadata.values) > MAX_METADATA_PAIRS:
        message = f"metadata has {len(metadata.values)} pairs; at most {MAX_METADATA_PAIRS} work"
        raise InvalidRequest(message, "metadata")
    found: dict[str, str] = {}
    for key in metadata.values:
        Fields({"key": key}, "metadata").text("key", MAX_METADATA_KEY_CHARS)
        value = metadata.text(key, MAX_METADATA_VALUE_CHARS)
        if value is None or not key:
            raise InvalidRequest("metadata is pairs of text: every key and every value", "metadata")
        found[key] = value
    return found


def read_webhook(fields: Fields, outbound: OutboundClient) -> WebhookTarget | None:
    """Who is to be told, looked at as it will be again at delivery; None if nobody. Raises InvalidRequest."""
    webhook = fields.part("webhook")
    if webhook is None:
        return None
    webhook.refuse_unknown(WEBHOOK)
    url = webhook.text("url", MAX_URL_CHARS)
    if not url:
        raise InvalidRequest("webhook.url is missing", "webhook.url")
    events = webhook.texts("events", 100)
    events = DEFAULT_WEBHOOK_EVENTS if events is None else tuple(dict.fromkeys(events))
    if not events or not set(events) <= set(WEBHOOK_EVENTS):
        raise InvalidRequest(f"webhook.events must be some of {', '.join(WEBHOOK_EVENTS)}", "webhook.events")
    secret = webhook.text("secret", 200)
    if secret is not None:
        check_secret(secret)
    outbound.check(url, "webhook.url")
    return WebhookTarget.model_validate({"url": url, "events": events, "secret": secret})


RANDOM_SEEDS = 2**32  # exact in every client's numbers


@dataclass(frozen=True)
class Submission:
    """What a caller asks for: the request (its inputs not yet stored), the inputs, what was bent to fit.

    `uploads` are contents, `copies` keys in storage, both by the name an input has there. Of several videos (`count`)
    the request is the first one's; the others have the seeds after it. `retention_s` is the model's own wish.
    """

    request: VideoRequest
    uploads: dict[str, bytes] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    remixed_from: str | None = None
    source: str | None = None
    count: int = 1
    retention_s: float | None = None
    urgency: Schedule = field(default_factory=Schedule)

    @property
    def pixel_frames(self) -> int:
        """What all its videos together take of the caller's day."""
        return request_pixel_frames(self.request) * self.count


def build_submission(
    fields: Fields,
    offer: ModelOffer,
    resources: Resources,
    owner: str,
    known: Collection[str],
    *,
    extends: bool = False,
) -> Submission:
    """The wish in these fields, of which `known` work here, every default filled in, for one of the models on `offer`.

    With `extends` the video is continued, else changed. Raises InvalidRequest, ApiError, ModelUnavailable.
    """
    fields.refuse_unknown(known)
    prompt = read_prompt(fields)
    check_combinations(fields, extends=extends)
    door = resources.inputs_of(owner)
    clip = read_source_video(fields, resources.store, door)
    fields = with_inherited_settings(fields, clip)
    card = _card(fields, offer)
    length = read_length(fields, card, clip, extends=extends)
    if length.num_frames == 1 and image_name(fields):
        message = "a start image needs frames to follow it: num_frames 8 or more, got 1"
        raise InvalidRequest(message, "num_frames", "invalid_seconds")
    scheduler, steps = _sampling(fields, card)
    shape = {"num_frames": length.num_frames, "video_num_frames": length.of_video, "fps": _fps(fields, card)}
    settings = {**_settings(fields, card), "num_inference_steps": steps, "scheduler": scheduler, "strength": 1.0}
    told = {"metadata": read_request_metadata(fields), "webhook": read_webhook(fields, resources.outbound)}
    pictures = read_images(fields, resources.images, door)
    (width, height), size_warnings = read_size(fields, card, clip, pictures)
    if clip is not None and not extends:
        settings["strength"] = read_strength(
            fields, card, scheduler, steps, pictures.pictures.get("mask.png"), (width, height)
        )
    made = {"model": card.name, "prompt": prompt, "width": width, "height": height, "continues": extends}
    request = VideoRequest.model_validate(made | shape | settings | told)
    wish = _wish(request, pictures, clip, length.warnings + size_warnings)
    return replace(wish, count=_count(fields, request.seed), retention_s=card.retention_s)


def _settings(fields: Fields, card: ModelCard) -> dict[str, Any]:
    """What stands by itself among the fields of the request."""
    return {
        "negative_prompt": fields.text("negative_prompt", MAX_PROMPT_CHARS) or "",
        "guidance_scale": _guidance_scale(fields, card),
        "loras": _loras(fields, card),
        "overlap": _overlap(fields),
        "clip_apply_ratio": _clip_apply_ratio(fields),
        "smooth": fields.flag("smooth", default=True),
        "clean_caption": fields.flag("clean_caption", default=True),
        "seed": _seed(fields),
        "preview_every_steps": _preview_every_steps(fields),
    }


def _wish(
    request: VideoRequest, pictures: InputImages, clip: SourceVideo | None, warnings: tuple[str, ...]
) -> Submission:
    uploads, copies, source = dict(pictures.pictures), {}, None
    if clip is not None and clip.data is not None:
        uploads[VIDEO_FILE] = clip.data
    if clip is not None and clip.source is not None and clip.source.result is not None:
        copies[VIDEO_FILE] = clip.source.result.video_key
        source = clip.source.id
    return Submission(request, uploads, copies, warnings, source=source)


def _card(fields: Fields, offer: ModelOffer) -> ModelCard:
    try:
        return offer.card(fields.text("model", 100))
    except ModelNotFound as error:
        raise InvalidRequest(str(error), "model", error.code) from error


def _fps(fields: Fields, card: ModelCard) -> int:
    fps = fields.whole("fps")
    if fps not in (None, card.fps):
        raise InvalidRequest(f"fps must be {card.fps}, the rate of {card.name}, in this version; got {fps}", "fps")
    return card.fps


def _sampling(fields: Fields, card: ModelCard) -> tuple[str, int]:
    scheduler, steps = fields.text("scheduler", 100), fields.whole("num_inference_steps")
    scheduler = card.default_scheduler if scheduler is None else scheduler
    steps = card.default_num_inference_steps if steps is None else steps
    card.check_sampling(scheduler, steps)
    return scheduler, steps


def _guidance_scale(fields: Fields, card: ModelCard) -> float:
    scale = fields.number("guidance_scale")
    scale = card.default_guidance_scale if scale is None else scale
    if not 0 <= scale <= MAX_GUIDANCE_SCALE:
        raise fields.refused("guidance_scale", f"must be between 0 and {MAX_GUIDANCE_SCALE:g}")
    return scale


def _loras(fields: Fields, card: ModelCard) -> tuple[LoraChoice, ...]:
    loras = []
    for item in fields.objects("loras", MAX_LORAS):
        item.refuse_unknown(("name", "scale"))
        name, scale = item.text("name", 100), item.number("scale")
        if not name:
            raise InvalidRequest('every LoRA needs a name, as in [{"name": "watercolour"}]', "loras")
        scale = DEFAULT_LORA_SCALE if scale is None else scale
        if abs(scale) > MAX_LORA_SCALE:
            raise item.refused("scale", f"must be between {-MAX_LORA_SCALE:g} and {MAX_LORA_SCALE:g}")
        loras.append(LoraChoice(name=name, scale=scale))
    names = [lora.name for lora in loras]
    if len(set(names)) < len(names):
        raise InvalidRequest("a LoRA is there twice in loras; give it once, with the sum of its scales", "loras")
    card.check_loras(names)
    return tuple(loras)


def _overlap(fields: Fields) -> int:
    overlap = fields.whole("overlap")
    if overlap is None:
        return MAX_OVERLAP
    if not 1 <= overlap <= MAX_OVERLAP:
        raise fields.refused("overlap", f"must be between 1 and {MAX_OVERLAP}")
    return overlap


def _clip_apply_ratio(fields: Fields) -> float:
    ratio = fields.number("clip_apply_ratio")
    if ratio is None:
        return 0.5
    if not 0 <= ratio <= 1:
        raise fields.refused("clip_apply_ratio", "must be between 0 and 1")
    return ratio


def _preview_every_steps(fields: Fields) -> int | None:
    previews = fields.part("previews")
    if previews is None:
        return None
    previews.refuse_unknown(("every_steps",))
    steps = previews.whole("every_steps")
    if steps is None or steps < 1:
        raise InvalidRequest(f"previews.every_steps must be 1 or more, got {steps}", "previews.every_steps")
    return steps


def _count(fields: Fields, first_seed: int) -> int:
    count = fields.whole("n")
    if count is None:
        return 1
    if not 1 <= count <= MAX_VIDEOS:
        raise fields.refused("n", f"must be between 1 and {MAX_VIDEOS}")
    if first_seed + count > 2**63:
        raise InvalidRequest(f"seed must leave room for {count - 1} more below 2**63", "seed")
    return count


def _seed(fields: Fields) -> int:
    seed = fields.whole("seed")
    if seed is None:
        return secrets.randbelow(RANDOM_SEEDS)
    if not 0 <= seed < 2**63:
        raise fields.refused("seed", "must be between 0 and 2**63-1; leave it out for a random one")
    return seed


def remix(fields: Fields, offer: ModelOffer, resources: Resources, owner: str, video_id: str) -> Submission:
    """The wish for a remix of the caller's completed video. Raises InvalidRequest, ApiError, ModelUnavailable."""
    fields.refuse_unknown(REMIX)
    prompt = read_prompt(fields)
    own = {"metadata": read_request_metadata(fields), "webhook": read_webhook(fields, resources.outbound)}
    source = get_own_video(resources.store, owner, video_id, None)
    card = offer.card(source.request.model)
    card.check_loras([lora.name for lora in source.request.loras])
    keys = {name: getattr(source.request, field) for name, field in INPUT_FILES.items()}
    return Submission(
        request=source.request.model_copy(update={"prompt": prompt, **own}),
        copies={name: key for name, key in keys.items() if key},
        remixed_from=source.id,
        source=source.source,
        retention_s=card.retention_s,
    )
