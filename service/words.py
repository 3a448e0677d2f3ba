"""What every way to ask for a video has in common: the prompt, whom to tell, and the caller's own notes."""

from jobs.errors import InvalidRequest
from jobs.outgoing import Outgoing
from jobs.request import DEFAULT_WEBHOOK_EVENTS, MAX_PROMPT_CHARS, WEBHOOK_EVENTS, WebhookTarget
from jobs.webhook_signature import check_secret
from service.create_fields import (
    MAX_METADATA_KEY_CHARS,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE_CHARS,
    MAX_URL_CHARS,
    WEBHOOK,
)
from service.fields import Fields


def read_prompt(fields: Fields) -> str:
    """The prompt, which has to say something. Raises InvalidRequest."""
    prompt = fields.text("prompt", MAX_PROMPT_CHARS)
    if prompt is None or not prompt.strip():
        raise InvalidRequest("prompt is missing or blank; say what the video shall show", "prompt")
    return prompt


def read_metadata(fields: Fields) -> dict[str, str]:
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


def read_webhook(fields: Fields, outgoing: Outgoing) -> WebhookTarget | None:
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
    outgoing.check(url, "webhook.url")
    return WebhookTarget.model_validate({"url": url, "events": events, "secret": secret})
