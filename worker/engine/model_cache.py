"""The loaded models of an engine. The least recently used ones are evicted when another model needs memory."""

import time
from typing import Protocol

import structlog

from jobs.model.model_card import ModelCard
from jobs.queue.vocabularies import Vocabulary
from worker.load_options import Memory
from worker.models.memory_budget import MemoryBudget, models_to_evict
from worker.protocol.control import RunControl
from worker.protocol.errors import is_out_of_memory, to_not_loaded
from worker.protocol.messages import Done, Loaded, LoadModel, NotLoaded, Ready, Run

log = structlog.get_logger()


class Generator(Protocol):
    """One loaded model."""

    @property
    def card(self) -> ModelCard:
        """The card of the model."""

    @property
    def memory(self) -> Memory:
        """The memory profile of the model."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The tokenizer of the model, if front ends can count with it."""

    def make(self, run: Run, control: RunControl) -> Done:
        """Generates one video. On a cancel or a pause it raises Interrupted; before a pause it writes a checkpoint."""


class Loader(Protocol):
    """Loads models and estimates their memory."""

    def room_bytes(self, command: LoadModel) -> int:
        """The memory for all models together."""

    def estimate(self, command: LoadModel) -> MemoryBudget:
        """The memory that this model will need. May raise what `load` raises."""

    def load(self, command: LoadModel) -> tuple[Generator, MemoryBudget]:
        """Loads the model; returns it with the memory that it needs."""

    def free(self) -> None:
        """Frees the memory of evicted models."""


class ModelCache:
    """Generators by the name of their model, the least recently used first."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._generators: dict[str, Generator] = {}
        self._budgets: dict[str, MemoryBudget] = {}

    def load(self, command: LoadModel) -> Ready | NotLoaded:
        """Loads a model, and evicts others as needed, or all others if it is to be `alone`.

        If it cannot be loaded, the models that were not evicted stay.
        """
        started = time.monotonic()
        try:
            evicted = self._evict_and_load(command)
        except Exception as error:  # of any kind: the supervisor needs a reply
            log.exception("model.failed", model=command.model, folder=str(command.folder))
            event = to_not_loaded(command.model, error)
        else:
            return self._ready(command.model, evicted, round(time.monotonic() - started, 3))
        self._loader.free()  # after the `except` block: the error refers to the partly loaded model
        return event

    def use(self, name: str) -> Generator:
        """The generator of this model, which becomes the most recently used one."""
        generator, budget = self._generators.pop(name), self._budgets.pop(name)
        self._generators[name], self._budgets[name] = generator, budget
        return generator

    def _ready(self, name: str, evicted: list[str], seconds: float) -> Ready:
        generator, weights_bytes = self.use(name), self._budgets[name].weights_bytes
        log.info("model.loaded", model=name, seconds=seconds, weights_bytes=weights_bytes, memory=generator.memory)
        loaded = {
            model: Loaded(each.memory, self._budgets[model].weights_bytes) for model, each in self._generators.items()
        }
        return Ready(generator.card, loaded, tuple(evicted), seconds, generator.vocabulary)

    def _evict_and_load(self, command: LoadModel) -> list[str]:
        """Returns the names of the evicted models."""
        others = [name for name in self._generators if name != command.model]
        if command.model in self._generators:
            return self._evict(others if command.alone else [])
        new = self._loader.estimate(command)
        room_bytes = self._loader.room_bytes(command)
        evicted = self._evict(others if command.alone else models_to_evict(self._budgets, new, room_bytes))
        needed_bytes = new.weights_bytes + new.running_bytes
        if needed_bytes > room_bytes:
            log.warning("model.tight", model=command.model, room_bytes=room_bytes, needed_bytes=needed_bytes)
        try:
            self._load(command)
        except Exception as error:
            if not (is_out_of_memory(error) and self._generators):
                raise
        else:
            return evicted
        evicted += self._evict(list(self._generators))  # it is larger than estimated: retry with all the memory
        self._load(command)
        return evicted

    def _load(self, command: LoadModel) -> None:
        self._generators[command.model], self._budgets[command.model] = self._loader.load(command)

    def _evict(self, names: list[str]) -> list[str]:
        for name in names:
            del self._generators[name]
            log.info("model.dropped", model=name, weights_bytes=self._budgets.pop(name).weights_bytes)
        if names:
            self._loader.free()
        return names
