"""Loads models for the engine, and knows what they take of this machine's device. Here torch comes in."""

import gc
from itertools import chain

import structlog
import torch

from easyanimate.errors import CheckpointError
from easyanimate.memory import Profile
from easyanimate.memory.estimates import running_bytes
from easyanimate.weights.parameter_count import num_values
from jobs.model.model_card import ModelCard
from worker.generation.generator import VideoGenerator
from worker.generation.load_pipeline import choose_device, choose_dtype, choose_memory_profile
from worker.models.cards import read_card
from worker.models.host_memory import host_memory_bytes
from worker.models.memory_budget import MemoryBudget
from worker.protocol.messages import LoadModel

log = structlog.get_logger()

SHARE_OF_HOST = 2  # on a CPU weights may take half of the memory, unless a setting says otherwise


class ModelLoader:
    """A `Loader`. What is free on a card when it first looks is what there is, also when models are loaded later."""

    def __init__(self) -> None:
        self._free_bytes: int | None = None

    def room_bytes(self, order: LoadModel) -> int:
        """For the weights of all models, as the setting says. Without it: a card's free memory, for what a running
        model takes as well; or half of the machine's.
        """
        if order.room_bytes is not None:
            return order.room_bytes
        if choose_device(order.device).type == "cuda":
            return self._free_on_card(order)
        return host_memory_bytes() // SHARE_OF_HOST

    def size_up(self, order: LoadModel) -> MemoryBudget:
        """By the heads of its files. Raises CheckpointError without a folder or a card."""
        if not order.folder.is_dir():
            raise CheckpointError(f"there is no folder {order.folder}")
        device = choose_device(order.device)
        weights_bytes = num_values(order.folder) * choose_dtype(order.dtype, device).itemsize
        return self._footprint(order, weights_bytes)

    def load(self, order: LoadModel) -> tuple[VideoGenerator, MemoryBudget]:
        """The model on its device, in the profile it would have if it were alone there."""
        profile = self._profile(order, self.size_up(order).weights_bytes)
        maker = VideoGenerator.load(order.folder, order.device, order.dtype, profile)
        models = [part for part in maker.pipe.components.values() if isinstance(part, torch.nn.Module)]
        tensors = chain.from_iterable(chain(model.parameters(), model.buffers()) for model in models)
        return maker, self._footprint(order, sum(tensor.nbytes for tensor in tensors))

    def free(self) -> None:
        """Have the memory of dropped models back."""
        gc.collect()  # networks refer to themselves
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _footprint(self, order: LoadModel, weights_bytes: int) -> MemoryBudget:
        """On a card a saving profile moves weights about; with a room of the operator's, running is theirs to leave."""
        if choose_device(order.device).type != "cuda":
            return MemoryBudget(weights_bytes)
        profile = self._profile(order, weights_bytes)
        running = running_bytes(profile, *_largest(read_card(order.folder))) if order.room_bytes is None else 0
        return MemoryBudget(weights_bytes, running, shares=profile == "normal")

    def _profile(self, order: LoadModel, weights_bytes: int) -> Profile:
        if order.memory != "auto":
            return order.memory
        if choose_device(order.device).type != "cuda":
            return "normal"
        return choose_memory_profile(read_card(order.folder), weights_bytes, self._free_on_card(order))

    def _free_on_card(self, order: LoadModel) -> int:
        if self._free_bytes is None:
            self._free_bytes = torch.cuda.mem_get_info(choose_device(order.device))[0]
        return self._free_bytes


def _largest(card: ModelCard) -> tuple[int, int, int]:
    """Width, height and frames of the largest window of a model."""
    side = int(card.max_pixels**0.5)
    return side, side, card.window or 1
