"""The models an engine holds: loaded when one is asked for, the least recently used dropped when they need the room."""

import time
from collections.abc import Callable
from typing import Protocol

import structlog

from jobs.model.model_card import ModelCard
from worker.models.memory_budget import MemoryBudget, models_to_evict
from worker.protocol.errors import is_out_of_memory, to_not_loaded
from worker.protocol.messages import Done, Event, Loaded, LoadModel, NotLoaded, Ready, Run
from worker.settings import Memory

log = structlog.get_logger()


class Generator(Protocol):
    """What makes videos once it is loaded."""

    @property
    def card(self) -> ModelCard:
        """What it can make."""

    @property
    def memory(self) -> Memory:
        """The memory profile it works in."""

    def make(
        self, run: Run, tell: Callable[[Event], None], check: Callable[[], None], wants_pause: Callable[[], bool]
    ) -> Done:
        """Make one video. `tell` passes progress on; `check`, to be called often, raises Interrupted.

        When `wants_pause`, keep how it stands and raise Interrupted.
        """


class Loader(Protocol):
    """What knows how to load a model, and what it takes."""

    def room_bytes(self, order: LoadModel) -> int:
        """How much room there is for all models together."""

    def size_up(self, order: LoadModel) -> MemoryBudget:
        """What this model will take. May raise what `load` raises."""

    def load(self, order: LoadModel) -> tuple[Generator, MemoryBudget]:
        """The model, and what it does take."""

    def free(self) -> None:
        """Give back what dropped models took."""


class ModelCache:
    """Makers by the name of their model, the least recently used first."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._makers: dict[str, Generator] = {}
        self._footprints: dict[str, MemoryBudget] = {}

    def load(self, order: LoadModel) -> Ready | NotLoaded:
        """Have this model here, and no other one if it is to be `alone`; what stands in its way is dropped.

        One that cannot be loaded leaves the others as they are, but for those that had to make way.
        """
        started = time.monotonic()
        try:
            dropped = self._bring(order)
        except Exception as error:  # whatever it is: the supervisor must hear of it
            log.exception("model.failed", model=order.model, folder=str(order.folder))
            answer = to_not_loaded(order.model, error)
        else:
            return self._ready(order.model, dropped, round(time.monotonic() - started, 3))
        self._loader.free()  # not while the error holds on to what was half loaded
        return answer

    def use(self, name: str) -> Generator:
        """The maker of this model, which counts as used now."""
        maker, footprint = self._makers.pop(name), self._footprints.pop(name)
        self._makers[name], self._footprints[name] = maker, footprint
        return maker

    def _ready(self, name: str, dropped: list[str], seconds: float) -> Ready:
        maker, taken = self.use(name), self._footprints[name].weights_bytes
        log.info("model.loaded", model=name, seconds=seconds, weights_bytes=taken, memory=maker.memory)
        held = {
            name: Loaded(maker.memory, self._footprints[name].weights_bytes) for name, maker in self._makers.items()
        }
        return Ready(maker.card, held, tuple(dropped), seconds)

    def _bring(self, order: LoadModel) -> list[str]:
        """The names of those that were dropped for it."""
        others = [name for name in self._makers if name != order.model]
        if order.model in self._makers:
            return self._drop(others if order.alone else [])
        newcomer = self._loader.size_up(order)
        room_bytes = self._loader.room_bytes(order)
        dropped = self._drop(others if order.alone else models_to_evict(self._footprints, newcomer, room_bytes))
        needed_bytes = newcomer.weights_bytes + newcomer.running_bytes
        if needed_bytes > room_bytes:
            log.warning("model.tight", model=order.model, room_bytes=room_bytes, needed_bytes=needed_bytes)
        try:
            self._take(order)
        except Exception as error:
            if not (is_out_of_memory(error) and self._makers):
                raise
        else:
            return dropped
        dropped += self._drop(list(self._makers))  # it was larger than we thought: once more, with all the room
        self._take(order)
        return dropped

    def _take(self, order: LoadModel) -> None:
        self._makers[order.model], self._footprints[order.model] = self._loader.load(order)

    def _drop(self, names: list[str]) -> list[str]:
        for name in names:
            del self._makers[name]
            log.info("model.dropped", model=name, weights_bytes=self._footprints.pop(name).weights_bytes)
        if names:
            self._loader.free()
        return names
