"""The engine's side of checkpoints: keep where a run stands, cheaply, and find where another attempt left it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import structlog
import torch

from easyanimate.errors import Interrupted
from easyanimate.files.lossless_file import LosslessWriter, read_lossless
from easyanimate.files.manifest import file_sha256
from easyanimate.pipeline import WindowState
from worker.checkpoints.format import Checkpoint, InvalidCheckpoint, NamedFile, attempts_in, read_checkpoint
from worker.checkpoints.state_file import load_state, save_state
from worker.protocol.control import RunControl
from worker.protocol.messages import Checkpointed, Checkpoints, Run
from worker.protocol.progress import PhaseTimer

log = structlog.get_logger()

MAX_TIME_SHARE = 0.01  # of a run's time may go into checkpoints


@dataclass(frozen=True, eq=False)
class ResumePoint:
    """Where another attempt left the video: `state`, and the frames of the windows before it."""

    checkpoint: Checkpoint
    state: WindowState
    folder: Path

    def windows(self) -> Iterator[Iterator[np.ndarray]]:
        """Of each finished window, in order, its frames: [1, H, W, 3] each, uint8."""
        for window in self.checkpoint.windows:
            yield (frame[None] for frame in read_lossless(self.folder / window.name))

    def steps(self, steps_per_window: int) -> int:
        """How many steps of all windows are done."""
        return self.state.index * steps_per_window + (self.state.denoising.index if self.state.denoising else 0)

    def without_steps(self) -> Self:
        """The same at the beginning of its window."""
        return replace(self, state=replace(self.state, denoising=None))


def find(run: Run, fingerprint: str, device: torch.device) -> ResumePoint | None:
    """The best checkpoint there is of exactly this video; those that are of no use are ignored, with a line each."""
    if run.checkpoints is None:
        return None
    folder = run.checkpoints.folder.parent
    for attempt in attempts_in(folder):
        try:
            return _load(folder, attempt, fingerprint, device)
        except InvalidCheckpoint as error:
            log.warning("checkpoint.ignored", attempt=attempt.name, reason=str(error))
    return None


def _load(folder: Path, attempt: Path, fingerprint: str, device: torch.device) -> ResumePoint:
    checkpoint = read_checkpoint(attempt)
    if checkpoint.fingerprint != fingerprint:
        raise InvalidCheckpoint("it is of another request, model, device or version")
    try:
        paths = [file.path_in(folder) for file in checkpoint.files]
    except ValueError as error:
        raise InvalidCheckpoint(str(error)) from error
    state = load_state(paths[-1], device)
    if state.index != len(checkpoint.windows):
        raise InvalidCheckpoint("it misses finished windows")
    return ResumePoint(checkpoint, state, folder)


class Checkpointer:
    """Keeps where a run stands. What goes wrong here costs the run nothing but its checkpoints."""

    def __init__(
        self,
        run: Run,
        fingerprint: str,
        found: ResumePoint | None,
        watch: PhaseTimer,
        contact: RunControl,
    ) -> None:
        self.run, self.fingerprint, self.watch, self.contact = run, fingerprint, watch, contact
        self.steps_per_window = 0
        self._windows = found.checkpoint.windows if found else ()
        self._writer: LosslessWriter | None = None
        self._kept: list[Path] = []
        self._count, self._spent_s, self._last_s = 0, 0.0, 0.0
        self._began_at = self._kept_at = time.monotonic()
        self._where = run.checkpoints or Checkpoints(run.output_path.parent, float("inf"))
        self._is_broken = run.checkpoints is None
        with self._paid():
            self._where.folder.mkdir(parents=True, exist_ok=True)

    def begin_window(self, index: int, *, is_last: bool) -> None:
        """A window begins; the frames of the last one need not be kept, they are the end."""
        if self._is_broken or is_last:
            return
        asked, path = self.run.request, self._where.folder / f"window-{index:04d}.mkv"
        with self._paid():
            self._writer = LosslessWriter(path, width=asked.width, height=asked.height)

    def wrote(self, frames: Any) -> None:
        """These frames [F, H, W, 3] of the window are final."""
        if self._writer is not None:
            with self._paid():
                self._writer.write(frames)

    def end_window(self, state: WindowState) -> None:
        """All frames of a window were written, and the next one begins."""
        if self._writer is None or self._is_broken:
            return
        with self._paid():
            self._writer.close()
            self._windows = (*self._windows, self._named(self._writer.path))
            self._writer = None
            self._keep(state)

    def on_state(self, take: Callable[[], WindowState], is_last: bool) -> None:
        """A step was taken. Raises Interrupted when the worker has to go, after it has kept the state."""
        wants_pause = self.contact.wants_pause()
        if not self._is_broken and (wants_pause or self._is_due(is_last)):
            with self._paid():
                self._keep(take())
        if wants_pause:
            raise Interrupted("the run goes on elsewhere")

    def report_cost(self) -> None:
        """Log what checkpoints took of the run's time."""
        took_s = time.monotonic() - self._began_at
        share = round(self._spent_s / took_s, 5) if took_s else 0.0
        log.info("checkpoints.kept", count=self._count, seconds=round(self._spent_s, 3), share=share)

    def _is_due(self, is_last: bool) -> bool:
        now = time.monotonic()
        if self._where.every_s == 0:
            return True
        is_time = is_last or now - self._kept_at >= self._where.every_s
        return is_time and self._spent_s + self._last_s <= MAX_TIME_SHARE * (now - self._began_at)

    def _keep(self, state: WindowState) -> None:
        started = time.monotonic()
        step = state.index * self.steps_per_window + (state.denoising.index if state.denoising else 0)
        path = self._where.folder / f"state-{state.index:04d}-{step:06d}.safetensors"
        unfinished = path.with_name(f".{path.name}")
        save_state(unfinished, state)
        unfinished.replace(path)
        checkpoint = Checkpoint(
            fingerprint=self.fingerprint,
            step=step,
            windows=self._windows,
            state=self._named(path),
            phase_seconds=self.watch.seconds(),
        )
        checkpoint.write(self._where.folder)
        self.contact.tell(Checkpointed(step))
        self._forget(path)
        self._count += 1
        self._kept_at = time.monotonic()
        self._last_s = self._kept_at - started

    def _forget(self, newest: Path) -> None:
        """Two states stay: somebody may be reading the one before."""
        if newest not in self._kept:
            self._kept.append(newest)
        while len(self._kept) > 2:
            self._kept.pop(0).unlink(missing_ok=True)

    @contextmanager
    def _paid(self) -> Iterator[None]:
        """Counts what a piece of a checkpoint takes; where it fails there are no more of them, and the run goes on."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001  the disk, the encoder, a sampler with an odd memory: no reason to end
            log.warning("checkpoint.failed", reason=str(error))
            self._is_broken, self._writer = True, None
        self._spent_s += time.monotonic() - started

    def _named(self, path: Path) -> NamedFile:
        return NamedFile(name=f"{self._where.folder.name}/{path.name}", sha256=file_sha256(path))
