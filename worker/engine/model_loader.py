"""Loads models for the engine and estimates their memory on the device of this machine. It imports torch."""

import gc
from itertools import chain

import structlog
import torch

from easyanimate.errors import CheckpointError
from easyanimate.memory import Profile
from easyanimate.memory.estimates import running_bytes
from easyanimate.weights.parameter_count import count_parameters
from worker.generation.generator import VideoGenerator
from worker.generation.load_pipeline import choose_device, choose_dtype, choose_memory_profile, largest_clip
from worker.models.cards import read_card
from worker.models.host_memory import host_memory_bytes
from worker.models.memory_budget import MemoryBudget
from worker.protocol.messages import LoadModel

log = structlog.get_logger()

HOST_DIVISOR = 2  # on a CPU the weights may use half of the memory, unless a setting limits them


class ModelLoader:
    """A `Loader`. It reads the free memory of a GPU once, before the first load."""

    def __init__(self) -> None:
        self._free_bytes: int | None = None

    def room_bytes(self, command: LoadModel) -> int:
        """The limit of the settings for all weights. Without one, the free memory of the GPU, which must also hold
        what a run needs; on a CPU half of the memory.
        """
        if command.room_bytes is not None:
            return command.room_bytes
        if choose_device(command.device).type == "cuda":
            return self._free_gpu_bytes(command)
        return host_memory_bytes() // HOST_DIVISOR

    def estimate(self, command: LoadModel) -> MemoryBudget:
        """Estimates from the headers of the weight files. Raises CheckpointError without a folder or a card."""
        if not command.folder.is_dir():
            raise CheckpointError(f"there is no folder {command.folder}")
        device = choose_device(command.device)
        weights_bytes = count_parameters(command.folder) * choose_dtype(command.dtype, device).itemsize
        return self._budget(command, weights_bytes)

    def load(self, command: LoadModel) -> tuple[VideoGenerator, MemoryBudget]:
        """Loads the model on its device, in the profile that it has alone there."""
        profile = self._profile(command, self.estimate(command).weights_bytes)
        options = command.device, command.dtype, profile, command.cpu_threads, command.compile
        generator = VideoGenerator.load(command.folder, *options)
        tensors = chain.from_iterable(chain(model.parameters(), model.buffers()) for model in generator.pipe.models)
        return generator, self._budget(command, sum(tensor.nbytes for tensor in tensors))

    def free(self) -> None:
        """Frees the memory of evicted models."""
        gc.collect()  # networks have reference cycles
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _budget(self, command: LoadModel, weights_bytes: int) -> MemoryBudget:
        """On a GPU, a profile that saves memory excludes other models; with a configured limit only weights count."""
        if choose_device(command.device).type != "cuda":
            return MemoryBudget(weights_bytes)
        profile = self._profile(command, weights_bytes)
        running = running_bytes(profile, *largest_clip(read_card(command.folder))) if command.room_bytes is None else 0
        return MemoryBudget(weights_bytes, running, shares=profile == "normal")

    def _profile(self, command: LoadModel, weights_bytes: int) -> Profile:
        if command.memory != "auto":
            return command.memory
        if choose_device(command.device).type != "cuda":
            return "normal"
        return choose_memory_profile(read_card(command.folder), weights_bytes, self._free_gpu_bytes(command))

    def _free_gpu_bytes(self, command: LoadModel) -> int:
        if self._free_bytes is None:
            self._free_bytes = torch.cuda.mem_get_info(choose_device(command.device))[0]
        return self._free_bytes
