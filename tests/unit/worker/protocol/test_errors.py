"""The public error code of each exception in the engine."""

import errno

import pytest
import torch

from easyanimate.errors import CheckpointError, Interrupted, InvalidInput, NotFinite
from jobs.model.failure import CODES
from worker.protocol.errors import BrokenVideo, to_failed, to_not_loaded
from worker.protocol.messages import NotLoaded


@pytest.mark.parametrize(
    ("error", "code", "is_fatal"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "gpu_out_of_memory", False),
        (MemoryError(), "gpu_out_of_memory", False),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "internal_error", True),
        (RuntimeError("CUDA error: device-side assert triggered"), "internal_error", True),
        (Interrupted("stop"), "cancelled", False),
        (NotFinite("latents are NaN"), "invalid_output", False),
        (BrokenVideo("3 frames"), "invalid_output", False),
        (OSError(errno.ENOSPC, "No space left on device"), "internal_error", False),
        (InvalidInput("num_frames must be 8"), "internal_error", False),
        (KeyError("x"), "internal_error", False),
    ],
)
def test_every_exception_has_a_public_code(error: Exception, code: str, is_fatal: bool) -> None:
    event = to_failed(error)
    assert (event.code, event.is_fatal) == (code, is_fatal)
    assert event.code in CODES


def test_a_message_to_the_caller_holds_no_path() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/spool/video.mp4")
    assert "/data" not in (to_failed(error).message or "")


def test_a_model_that_cannot_be_loaded_has_a_reason_for_the_operator() -> None:
    event = to_not_loaded("a-model", CheckpointError("vae/config.json is missing"))
    assert event == NotLoaded("a-model", "vae/config.json is missing", is_fatal=False)


def test_a_broken_device_is_fatal_for_the_engine_and_not_the_fault_of_the_model() -> None:
    assert to_not_loaded("a-model", RuntimeError("CUDA error: an illegal memory access was encountered")).is_fatal
