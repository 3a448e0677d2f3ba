"""The routes of `/v1/models`: the models with their cards and workers."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from jobs.errors import ModelNotFound
from jobs.model.model_card import Lora, ModelCard
from jobs.model.request import Mode
from jobs.redis.unreadable import SetAside
from service.dependencies import BodyDep, OwnerDep, ResourcesDep
from service.http.fields import check_query, validate
from service.openapi.request_bodies import json_body
from service.openapi.responses import BODY_ERRORS, KEY_ERRORS, QUERY_ERRORS, errors
from service.resources import Resources
from service.schemas.pages import After, ListPage, empty_as
from service.schemas.prompt_tokens import CountTokens, PromptTokens

router = APIRouter(prefix="/v1/models", tags=["models"])

MAX_PAGE = 1000
TOKENS_EXAMPLE = {"prompt": "a large red circle moving to the right on a blue background"}


class Model(BaseModel):
    """A model: the four keys of OpenAI, and its card. `unserved_since` is the time since which it has no worker.

    `loaded_workers` of its `live_workers` have it in memory; the others load it for their first video.
    """

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "easyanimate"
    live_workers: int
    loaded_workers: int
    unserved_since: int | None
    modes: tuple[Mode, ...]
    loras: tuple[Lora, ...]
    card: ModelCard


class ModelList(ListPage):
    """One page of the models, by name."""

    data: list[Model]


@router.get("", responses=errors(*KEY_ERRORS, *QUERY_ERRORS, "model_not_found"))
def list_models(
    request: Request,
    _: OwnerDep,
    resources: ResourcesDep,
    limit: Annotated[int, empty_as(MAX_PAGE), Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    after: After = None,
) -> ModelList:
    """Lists the models that workers have announced, by name."""
    check_query(request.query_params, ("limit", "after"))
    cards = resources.registry.cards()
    if after is not None and after not in {card.name for card in cards}:
        raise ModelNotFound(f"there is no model {after[:100]!r} for the parameter after")
    behind = [card for card in cards if after is None or card.name > after]
    return ModelList.of(_readable(behind[:limit], resources), has_more=len(behind) > limit)


@router.get("/{model}", responses=errors(*KEY_ERRORS, "model_not_found", "model_unavailable"))
def read_model(model: str, _: OwnerDep, resources: ResourcesDep) -> Model:
    """Returns one model."""
    return _to_model(resources.registry.card(model), resources)


@router.post(
    "/{model}/count_tokens",
    responses=errors(*KEY_ERRORS, *BODY_ERRORS, "model_not_found", "model_unavailable"),
    openapi_extra=json_body(CountTokens, TOKENS_EXAMPLE),
)
def count_tokens(model: str, _: OwnerDep, resources: ResourcesDep, fields: BodyDep) -> PromptTokens:
    """Counts the tokens of a prompt, cleaned as in a request, as the tokenizer of this model does.

    The model reads the first `limit` tokens. The prompt is not stored, and no quota is used.
    """
    body = validate(CountTokens, fields)
    name = resources.registry.card(model).name
    counter = resources.token_counters.get(name)
    if counter is None:
        return PromptTokens(model=name, tokens=None, limit=None)
    tokens = counter.count(body.prompt, clean_caption=body.clean_caption)
    return PromptTokens(model=name, tokens=tokens, limit=counter.limit)


def _readable(cards: Sequence[ModelCard], resources: Resources) -> list[Model]:
    """The models, without those whose workers cannot be counted."""
    models, unreadable = list[Model](), SetAside(resources.redis, "queue")
    for card in cards:
        with unreadable.guard(card.name):
            models.append(_to_model(card, resources))
    return models


def _to_model(card: ModelCard, resources: Resources) -> Model:
    registry = resources.registry
    return Model(
        id=card.name,
        live_workers=registry.live_workers(card.name),
        loaded_workers=registry.loaded_workers(card.name),
        unserved_since=registry.unserved_since(card.name),
        modes=card.modes,
        loras=card.loras,
        card=card,
    )
