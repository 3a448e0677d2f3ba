"""Loads the pipeline of a model folder on its device, in a number type and a memory profile."""

import time
from dataclasses import replace
from pathlib import Path

import structlog
import torch
from diffusers.utils import logging as diffusers_logging

from easyanimate.cpu_threads import choose_cpu_threads, use_cpu_threads
from easyanimate.errors import InvalidInput
from easyanimate.files.manifest import model_sha256
from easyanimate.memory import Profile, choose_profile, load_in_profile
from easyanimate.pipeline import ClipStages
from easyanimate.render import ModelEnvironment
from easyanimate.transformer.inference.compiled_blocks import BLOCKS, compile_blocks
from easyanimate.transformer.inference.kernel_choice import choose_kernels, set_attention_kernels
from jobs.model.model_card import ModelCard
from worker.load_options import Compile, CpuThreads

log = structlog.get_logger()

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SMALL_SHARE = 0.1  # of the free memory; smaller weights need no memory profile


def choose_device(device: str) -> torch.device:
    """The device; "auto" is CUDA where there is a device. Raises ValueError for CUDA without a device."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("EASYANIMATE_DEVICE is cuda, but torch sees no CUDA device here")
    return torch.device(device)


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The number type; "auto" is bfloat16 on CUDA, else float32."""
    if dtype == "auto":
        dtype = "bfloat16" if device.type == "cuda" else "float32"
    return DTYPES[dtype]


def load_pipeline(
    folder: Path,
    name: str,
    device: torch.device,
    dtype: str,
    profile: Profile,
    cpu_threads: CpuThreads,
    compile: Compile,
) -> tuple[ClipStages, ModelEnvironment]:
    """The pipeline of the model in `folder` and its environment. The number type "auto" is bfloat16 on CUDA.

    Raises InvalidInput if the blocks are to be compiled and cannot be.
    """
    torch_dtype = choose_dtype(dtype, device)
    diffusers_logging.set_verbosity_error()  # its notes do not belong into the log
    pipe = load_in_profile(folder, torch_dtype, profile, device)
    threads = choose_cpu_threads(pipe, folder, device, None if cpu_threads == "auto" else cpu_threads)
    log.info("memory.profile", profile=profile, device=str(device), cpu_threads=threads)
    started = time.monotonic()
    kernels = choose_kernels(pipe.transformer, device)
    if kernels is not None:
        log.info("attention.kernels", kernels=kernels, seconds=round(time.monotonic() - started, 3))
    number_type = str(torch_dtype).removeprefix("torch.")
    environment = ModelEnvironment(name, model_sha256(folder), device.type, number_type, profile, threads, kernels)
    return pipe, _with_compiled_blocks(pipe, environment) if compile == BLOCKS else environment


@torch.inference_mode()
def _with_compiled_blocks(pipe: ClipStages, environment: ModelEnvironment) -> ModelEnvironment:
    """Compiles the blocks for runs, which are in inference mode; not in a profile that moves their weights."""
    if environment.memory != "normal":
        reason = f'the memory profile is "{environment.memory}"; only blocks in "normal" are compiled'
        log.warning("blocks.not_compiled", reason=reason)
        return environment
    use_cpu_threads(environment.cpu_threads)
    set_attention_kernels(pipe.transformer, environment.attention_kernels)
    log.info("blocks.compiled", seconds=round(compile_blocks(pipe.transformer), 3))
    return replace(environment, compiled=BLOCKS)


def choose_memory_profile(card: ModelCard, weights_bytes: int, free_bytes: int) -> Profile:
    """The fastest profile for the largest clip of the card, by the memory that the published model needs."""
    if weights_bytes < SMALL_SHARE * free_bytes:
        return "normal"
    try:
        return choose_profile(free_bytes, *largest_clip(card))
    except InvalidInput as error:
        log.warning("memory.scarce", reason=str(error))
        return "lowest"


def largest_clip(card: ModelCard) -> tuple[int, int, int]:
    """Width, height and frames of the largest window of a model."""
    side = int(card.max_pixels**0.5)
    return side, side, card.window or 1
