"""Reads a stored window and checks all of it before its first frame is used."""

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.files.lossless_file import read_lossless
from easyanimate.pipeline import FinishedWindow, WindowInputs, WindowState
from jobs.errors import RecordUnreadable
from jobs.model.stored import parse_stored
from worker.checkpoints.format import InvalidCheckpoint
from worker.checkpoints.state_file import load_state, read_labels, state_sha256
from worker.windows.format import FORMAT, LABEL, InvalidWindow, WindowFiles, WindowLabel

CPU = torch.device("cpu")


def read_window(files: WindowFiles, inputs: WindowInputs) -> FinishedWindow:
    """The window in these files, which begins with `inputs`. The files are deleted after its last frame.

    The frames are decoded twice: once for their checksum, so that a damaged window is found before any is used.
    Raises InvalidWindow.
    """
    label, state = _read_state(files)
    shape = (inputs.request.height, inputs.request.width, 3)
    if label.num_frames != inputs.kept - inputs.shared or _frames_sha256(files, label, shape) != label.frames_sha256:
        raise InvalidWindow(f"{files.frames.name} is damaged")
    held = torch.empty((0, *shape), dtype=torch.uint8) if state.tail is None else state.tail
    if held.shape != (inputs.shared, *shape) or held.dtype != torch.uint8:
        raise InvalidWindow(f"{files.state.name} has other frames for the next window")
    return FinishedWindow(_frames(files), held, state.generator_state)


def _read_state(files: WindowFiles) -> tuple[WindowLabel, WindowState]:
    try:
        label = parse_stored(WindowLabel, read_labels(files.state).get(LABEL, ""))
        state = load_state(files.state, CPU)
        digest = state_sha256(files.state)
    except (InvalidCheckpoint, RecordUnreadable) as error:
        raise InvalidWindow(f"{files.state.name} cannot be read") from error
    if label.format != FORMAT:
        raise InvalidWindow(f"it has format {label.format}")
    if (label.key, label.sha256) != (files.key, digest):
        raise InvalidWindow(f"{files.state.name} is damaged")
    return label, state


def _frames_sha256(files: WindowFiles, label: WindowLabel, shape: tuple[int, ...]) -> str:
    digest, count = hashlib.sha256(), 0
    try:
        for frame in read_lossless(files.frames):
            count += 1
            if frame.shape != shape or count > label.num_frames:
                raise InvalidWindow(f"{files.frames.name} has other frames")
            digest.update(frame.tobytes())
    except (InvalidInput, OSError) as error:
        raise InvalidWindow(f"{files.frames.name} cannot be read") from error
    return digest.hexdigest()


def _frames(files: WindowFiles) -> Iterator[Tensor]:
    try:
        for frame in read_lossless(files.frames):
            yield torch.from_numpy(frame)[None]
    finally:
        files.delete()
