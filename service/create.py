"""A caller's fields become a complete, checked request: what cannot be made is refused here, with what can."""

import re
import secrets
from dataclasses import dataclass

from easyanimate.geometry import nearest_num_frames
from jobs.errors import InvalidRequest, ModelNotFound
from jobs.model_card import ModelCard
from jobs.outgoing import Outgoing
from jobs.registry import Registry
from jobs.request import DEFAULT_WEBHOOK_EVENTS, MAX_PROMPT_CHARS, WEBHOOK_EVENTS, VideoRequest, WebhookTarget
from jobs.webhook_signature import check_secret
from service.create_fields import (
    CREATE,
    MAX_GUIDANCE_SCALE,
    MAX_METADATA_KEY_CHARS,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE_CHARS,
    MAX_URL_CHARS,
    PLANNED,
    WEBHOOK,
)
from service.fields import Fields
from service.pictures import picture_of

SIZE = re.compile(r"([0-9]{1,5})[xX]([0-9]{1,5})")
MAX_SECONDS = 20.0  # the longest that OpenAI's clients ask for; more is a mistake and not a wish
RANDOM_SEEDS = 2**32  # exact in every client's numbers


@dataclass(frozen=True)
class Wish:
    """What a caller asks for: the request (its picture not yet stored), the picture as sent, what was bent to fit."""

    request: VideoRequest
    picture: tuple[str, bytes] | None
    warnings: tuple[str, ...]


def understand(fields: Fields, registry: Registry, outgoing: Outgoing) -> Wish:
    """The wish in these fields, every default filled in. Raises InvalidRequest, ModelUnavailable."""
    fields.refuse_unknown(CREATE, PLANNED)
    prompt = _prompt(fields)
    picture = picture_of(fields)
    card = _card(fields, registry)
    width, height = _size(fields, card)
    num_frames, warnings = _num_frames(fields, card)
    scheduler, steps = _sampling(fields, card)
    request = VideoRequest(
        model=card.name,
        prompt=prompt,
        negative_prompt=fields.text("negative_prompt", MAX_PROMPT_CHARS) or "",
        width=width,
        height=height,
        num_frames=num_frames,
        fps=_fps(fields, card),
        num_inference_steps=steps,
        guidance_scale=_guidance_scale(fields, card),
        scheduler=scheduler,
        seed=_seed(fields),
        metadata=_metadata(fields),
        webhook=_webhook(fields, outgoing),
    )
    return Wish(request, picture, warnings)


def _prompt(fields: Fields) -> str:
    prompt = fields.text("prompt", MAX_PROMPT_CHARS)
    if prompt is None or not prompt.strip():
        raise InvalidRequest("prompt is missing or blank; say what the video shall show", "prompt")
    return prompt


def _card(fields: Fields, registry: Registry) -> ModelCard:
    try:
        return registry.card(fields.text("model", 100))
    except ModelNotFound as error:
        raise InvalidRequest(str(error), "model", error.code) from error


def _size(fields: Fields, card: ModelCard) -> tuple[int, int]:
    width, height, size = fields.whole("width"), fields.whole("height"), fields.text("size", 20)
    if (width is None) != (height is None):
        raise InvalidRequest("give width and height together, or size", "width" if width is None else "height")
    wanted = (width, height) if width is not None and height is not None else None
    if size is not None:
        match = SIZE.fullmatch(size)
        if match is None:
            default = f"{card.default_width}x{card.default_height}"
            raise InvalidRequest(f"size must be WIDTHxHEIGHT, as in {default}, got {size!r}", "size", "invalid_size")
        named = (int(match[1]), int(match[2]))
        if wanted is not None and wanted != named:
            message = f"size says {size}, width and height say {width}x{height}; give one of them"
            raise InvalidRequest(message, "size", "invalid_size")
        wanted = named
    wanted = wanted or (card.default_width, card.default_height)
    card.check_size(*wanted)
    return wanted


def _num_frames(fields: Fields, card: ModelCard) -> tuple[int, tuple[str, ...]]:
    num_frames, seconds = fields.whole("num_frames"), fields.number("seconds")
    if seconds is None:
        num_frames = card.default_num_frames if num_frames is None else num_frames
        card.check_num_frames(num_frames)
        return num_frames, ()
    if num_frames is not None:
        raise InvalidRequest("give seconds or num_frames, not both", "seconds", "invalid_seconds")
    longest = card.max_frames / card.fps
    if not 0 < seconds <= max(MAX_SECONDS, longest):
        message = f"seconds must be more than 0, and {card.name} makes up to {longest:g} at a time, got {seconds:g}"
        raise InvalidRequest(message, "seconds", "invalid_seconds")
    num_frames = nearest_num_frames(seconds * card.fps, card.max_frames)
    if num_frames == seconds * card.fps:
        return num_frames, ()
    made = f"{num_frames} frames, which is {num_frames / card.fps:.3g} s at {card.fps} frames a second"
    return num_frames, (f"seconds: {seconds:g} became {made}, the nearest that {card.name} makes",)


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


def _seed(fields: Fields) -> int:
    seed = fields.whole("seed")
    if seed is None:
        return secrets.randbelow(RANDOM_SEEDS)
    if not 0 <= seed < 2**63:
        raise fields.refused("seed", "must be between 0 and 2**63-1; leave it out for a random one")
    return seed


def _metadata(fields: Fields) -> dict[str, str]:
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


def _webhook(fields: Fields, outgoing: Outgoing) -> WebhookTarget | None:
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
    outgoing.check(url, "webhook.url")
    return WebhookTarget.model_validate({"url": url, "events": events, "secret": secret})
