"""The same video once more with another prompt: settings, seed and inputs are those of the first."""

from jobs.first_look import Offer
from jobs.storage import INPUT_FILES
from service.clips import own_video
from service.create import Wish
from service.create_fields import REMIX
from service.fields import Fields
from service.parts import Parts
from service.words import read_metadata, read_prompt, read_webhook


def remix(fields: Fields, offer: Offer, parts: Parts, owner: str, video_id: str) -> Wish:
    """The wish for a remix of the caller's completed video. Raises InvalidRequest, Problem, ModelUnavailable."""
    fields.refuse_unknown(REMIX)
    prompt = read_prompt(fields)
    own = {"metadata": read_metadata(fields), "webhook": read_webhook(fields, parts.outgoing)}
    source = own_video(parts.store, owner, video_id, None)
    card = offer.card(source.request.model)
    card.check_loras([lora.name for lora in source.request.loras])
    keys = {name: getattr(source.request, field) for name, field in INPUT_FILES.items()}
    return Wish(
        request=source.request.model_copy(update={"prompt": prompt, **own}),
        copies={name: key for name, key in keys.items() if key},
        remixed_from=source.id,
        source=source.source,
        retention_s=card.retention_s,
    )
