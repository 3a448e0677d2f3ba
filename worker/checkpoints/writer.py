"""Writes the checkpoints of a run at a limited cost, and finds the one that a run resumes from."""

import time
from collections.abc import Callable, Iterator, Mapping
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
from worker.checkpoints.format import (
    Checkpoint,
    InvalidCheckpoint,
    NamedFile,
    OtherCheckpoint,
    attempts_in,
    read_checkpoint,
)
from worker.checkpoints.state_file import load_state, save_state
from worker.protocol.control import RunControl
from worker.protocol.messages import CheckpointDamaged, Checkpointed, Checkpoints, Event, Run
from worker.protocol.progress import PhaseTimer

log = structlog.get_logger()

MAX_TIME_SHARE = 0.01  # of the time of a run, for checkpoints


@dataclass(frozen=True, eq=False)
class ResumePoint:
    """A checkpoint of another attempt, with its state loaded; `folder` holds the files of its windows."""

    checkpoint: Checkpoint
    state: WindowState
    folder: Path

    def windows(self) -> Iterator[Iterator[np.ndarray]]:
        """For each finished window, in order, its frames: [1, H, W, 3] each, uint8."""
        for window in self.checkpoint.windows:
            yield (frame[None] for frame in read_lossless(self.folder / window.name))

    def stored_windows(self) -> Iterator[tuple[Path, Path]]:
        """The files of finished windows that other videos may reuse: frames and state. Damaged states are left out."""
        for state in self.checkpoint.window_states:
            try:
                path = state.path_in(self.folder)
            except (ValueError, OSError) as error:
                log.warning("window.ignored", reason=str(error))
                continue
            yield path.with_suffix(".mkv"), path

    def steps(self, steps_per_window: int) -> int:
        """The number of finished steps in all windows."""
        return self.state.index * steps_per_window + (self.state.denoising.index if self.state.denoising else 0)

    def without_steps(self) -> Self:
        """The same point without the steps of its window."""
        return replace(self, state=replace(self.state, denoising=None))


def find_resume_point(
    run: Run, fingerprint: str, device: torch.device, send: Callable[[Event], None]
) -> ResumePoint | None:
    """The latest valid checkpoint of exactly this video; each invalid one is logged and skipped.

    `send` gets an event for each damaged one, which the supervisor counts.
    """
    if run.checkpoints is None:
        return None
    folder = run.checkpoints.folder.parent
    for attempt in attempts_in(folder):
        try:
            return _load(folder, attempt, fingerprint, device)
        except InvalidCheckpoint as error:
            log.warning("checkpoint.ignored", attempt=attempt.name, reason=str(error))
            if not isinstance(error, OtherCheckpoint):
                send(CheckpointDamaged(attempt.name, str(error)))
    return None


def latest_checkpoint(run: Run) -> Checkpoint | None:
    """The latest readable checkpoint of this job, which may belong to another run; None without one."""
    for attempt in attempts_in(run.checkpoints.folder.parent) if run.checkpoints else ():
        try:
            return read_checkpoint(attempt)
        except InvalidCheckpoint:  # `find_resume_point` logs it
            continue
    return None


def _load(folder: Path, attempt: Path, fingerprint: str, device: torch.device) -> ResumePoint:
    checkpoint = read_checkpoint(attempt)
    if checkpoint.fingerprint != fingerprint:
        raise OtherCheckpoint("it belongs to another request, model, device or version")
    try:
        paths = [file.path_in(folder) for file in checkpoint.needed]
    except (ValueError, OSError) as error:
        raise InvalidCheckpoint(str(error)) from error
    state = load_state(paths[-1], device)
    if state.index != len(checkpoint.windows):
        raise InvalidCheckpoint("finished windows are missing")
    return ResumePoint(checkpoint, state, folder)


class Checkpointer:
    """Writes the checkpoints of a run. When one fails, the run continues without further checkpoints."""

    def __init__(
        self,
        run: Run,
        fingerprint: str,
        resume: ResumePoint | None,
        timer: PhaseTimer,
        control: RunControl,
        computed: Mapping[str, Any] | None = None,
    ) -> None:
        """`computed` are the values of `Computed`."""
        self.run, self.fingerprint, self.timer, self.control = run, fingerprint, timer, control
        self.computed = computed or {}
        self.steps_per_window = 0
        self._windows = resume.checkpoint.windows if resume else ()
        self._window_states = resume.checkpoint.window_states if resume else ()
        self.reused = resume.checkpoint.reused if resume else ()  # of all windows, those taken from storage
        self._writer: LosslessWriter | None = None
        self._state_paths: list[Path] = []
        self._unwritten: WindowState | None = None  # after the last step of a window, if no checkpoint was due
        self._count, self._spent_s, self._last_s = 0, 0.0, 0.0
        self._began_at = self._written_at = time.monotonic()
        self._target = run.checkpoints or Checkpoints(run.output_path.parent, float("inf"))
        self._is_broken = run.checkpoints is None
        with self._budgeted():
            self._target.folder.mkdir(parents=True, exist_ok=True)

    def begin_window(self, index: int, *, is_last: bool) -> None:
        """Begins a window; the frames of the last window are not kept, because no window follows."""
        if self._is_broken or is_last:
            return
        request, path = self.run.request, self._target.folder / f"window-{index:04d}.mkv"
        with self._budgeted():
            self._writer = LosslessWriter(path, width=request.width, height=request.height)

    def add_frames(self, frames: Any) -> None:
        """Keeps final frames [F, H, W, 3] of the window."""
        if self._writer is not None:
            with self._budgeted():
                self._writer.write(frames)

    def end_window(self, state: WindowState, window_state: bytes | None = None) -> None:
        """Ends a window, after all its frames, and writes a checkpoint.

        `window_state` is the state file of a window that is stored for other videos: a resumed run stores it again.
        """
        if self._writer is None or self._is_broken:
            return
        with self._budgeted():
            self._writer.close()
            self._windows = (*self._windows, self._named(self._writer.path))
            if window_state is not None:
                path = self._writer.path.with_suffix(".safetensors")
                path.write_bytes(window_state)
                self._window_states = (*self._window_states, self._named(path))
            self._writer = self._unwritten = None
            self._write(state)

    def on_state(self, get_state: Callable[[], WindowState], is_last: bool) -> None:
        """Writes a checkpoint after a step if one is due. On a pause it writes one and raises Interrupted."""
        wants_pause, self._unwritten = self.control.wants_pause(), None
        if not self._is_broken and (wants_pause or self._is_due(is_last)):
            with self._budgeted():
                self._write(get_state())
        elif is_last and not self._is_broken:
            self._unwritten = get_state()
        if wants_pause:
            raise Interrupted("the run is paused")

    def check_all(self) -> None:
        """Raises Interrupted on a cancel or a pause between two slices; no step of the window is repeated after it."""
        self.control.check()
        if not self.control.wants_pause():
            return
        if self._unwritten is not None and not self._is_broken:
            with self._budgeted():
                self._write(self._unwritten)
        raise Interrupted("the run is paused")

    def report_cost(self) -> None:
        """Logs the share of the run's time that checkpoints took."""
        run_s = time.monotonic() - self._began_at
        share = round(self._spent_s / run_s, 5) if run_s else 0.0
        log.info("checkpoints.kept", count=self._count, seconds=round(self._spent_s, 3), share=share)

    def _is_due(self, is_last: bool) -> bool:
        now = time.monotonic()
        if self._target.every_s == 0:
            return True
        is_time = is_last or now - self._written_at >= self._target.every_s
        return is_time and self._spent_s + self._last_s <= MAX_TIME_SHARE * (now - self._began_at)

    def _write(self, state: WindowState) -> None:
        started = time.monotonic()
        step = state.index * self.steps_per_window + (state.denoising.index if state.denoising else 0)
        path = self._target.folder / f"state-{state.index:04d}-{step:06d}.safetensors"
        unfinished = path.with_name(f".{path.name}")
        save_state(unfinished, state)
        unfinished.replace(path)
        checkpoint = Checkpoint(
            fingerprint=self.fingerprint,
            step=step,
            windows=self._windows,
            window_states=self._window_states,
            state=self._named(path),
            phase_seconds=self.timer.seconds(),
            **self.computed,
            reused=self.reused,
        )
        checkpoint.write(self._target.folder)
        self.control.send(Checkpointed(step))
        self._delete_old_states(path)
        self._count += 1
        self._written_at = time.monotonic()
        self._last_s = self._written_at - started

    def _delete_old_states(self, newest: Path) -> None:
        """Keeps the two newest states, because the supervisor may be reading the older one."""
        if newest not in self._state_paths:
            self._state_paths.append(newest)
        while len(self._state_paths) > 2:
            self._state_paths.pop(0).unlink(missing_ok=True)

    @contextmanager
    def _budgeted(self) -> Iterator[None]:
        """Measures the time of a part of a checkpoint. After an error the run continues without checkpoints."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001  of the disk, the encoder or a scheduler: no reason to end the run
            log.warning("checkpoint.failed", reason=str(error))
            self._is_broken, self._writer = True, None
        self._spent_s += time.monotonic() - started

    def _named(self, path: Path) -> NamedFile:
        return NamedFile(name=f"{self._target.folder.name}/{path.name}", sha256=file_sha256(path))
