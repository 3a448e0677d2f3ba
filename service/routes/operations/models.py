"""The routes of `/v1/models`: the models with their cards and workers."""

from fastapi import APIRouter
from pydantic import BaseModel

from jobs.errors import ModelNotFound
from jobs.model.model_card import Lora, ModelCard
from jobs.model.request import Mode
from service.dependencies import OwnerDep, ResourcesDep
from service.openapi.responses import KEY_ERRORS, errors
from service.resources import Resources

router = APIRouter(prefix="/v1/models", tags=["models"])


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


class ModelList(BaseModel):
    """The list of all models."""

    object: str = "list"
    data: list[Model]


@router.get("", responses=errors(*KEY_ERRORS))
def list_models(_: OwnerDep, resources: ResourcesDep) -> ModelList:
    """Lists the models that workers have announced."""
    return ModelList(data=[_to_model(card, resources) for card in resources.registry.cards()])


@router.get("/{model}", responses=errors(*KEY_ERRORS, "model_not_found"))
def read_model(model: str, _: OwnerDep, resources: ResourcesDep) -> Model:
    """Returns one model."""
    for card in resources.registry.cards():
        if card.name == model:
            return _to_model(card, resources)
    raise ModelNotFound(f"there is no model {model!r}; GET /v1/models lists them")


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
