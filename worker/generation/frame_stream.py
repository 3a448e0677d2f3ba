"""The frames of one run, with its progress, checkpoints, segments, previews and thumbnails."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from easyanimate.pipeline import ClipStages, FinishedWindow, WindowInputs, WindowState
from easyanimate.render import RenderInputs, SourceEnds, split_tail
from jobs.model.input_files import DRAFT_STATE
from jobs.model.states import Phase
from worker.checkpoints.draft import DraftLabel, write_draft
from worker.checkpoints.writer import Checkpointer, ResumePoint
from worker.generation.source_video import SourceFrames
from worker.output.drift_meter import DriftMeter
from worker.output.previews import Previews
from worker.output.segments import SegmentRecorder
from worker.output.thumbnails import ThumbnailBuilder
from worker.protocol.control import RunControl
from worker.protocol.messages import Resumed, Run
from worker.protocol.progress import PhaseTimer
from worker.windows.reuse import WindowReuse


@dataclass(kw_only=True, eq=False)
class FrameStream:
    """The frames of `run`, continued from `resume` if there is one. `frames` is called once.

    The state at the end of a draft is written with the label `draft`. With `windows`, stored windows are reused.
    """

    pipe: ClipStages
    run: Run
    inputs: RenderInputs
    resume: ResumePoint | None
    timer: PhaseTimer
    control: RunControl
    checkpointer: Checkpointer
    previews: Previews
    draft: DraftLabel
    windows: WindowReuse | None = None
    warnings: tuple[str, ...] = ()
    _written: int = field(default=0, init=False)  # frames
    _steps: int = field(default=0, init=False)  # also resumed ones, and those of reused windows
    _is_last_window: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.segments = SegmentRecorder(self.run, self.control)
        self.segments.is_wanted |= len(self.inputs.plan) > 1
        self.thumbnails = ThumbnailBuilder(self.run.request)
        self.drift = DriftMeter(self.run.request, self.inputs.plan, self.inputs.settings["window"])

    def frames(self) -> Iterator[Any]:
        """Pieces [F, H, W, 3], uint8. The caller may write a piece while it requests the next one."""
        for piece in self._all_frames():
            yield piece
            self._written += len(piece)
            self.timer.count(Phase.DECODING, len(piece))
            self.thumbnails.add(piece)
            self.segments.add(piece)
            self.drift.add(piece)
            self.checkpointer.check_all()
        steps = self.inputs.total_steps  # a finished job shows the steps of denoising, not the decoded frames
        self.timer.window = None
        self.timer.enter(Phase.MUXING, (steps, steps))
        self.thumbnails.save(self.run.output_path.parent)

    def _all_frames(self) -> Iterator[Any]:
        """The frames of an extended video, those of the windows before `resume`, and the new ones."""
        source = (yield from self._extended_frames()) if self.run.request.continues else None
        prompt_warnings = self.inputs.prompt_warnings(self.pipe, source)
        self.warnings += (*self.inputs.warnings, *prompt_warnings, *self.previews.warnings)
        self.checkpointer.steps_per_window = self.inputs.steps_per_window
        if self.resume is not None:
            if self.windows is not None:
                for files in self.resume.stored_windows():
                    self.windows.recorder.store_again(*files)
            for window in self.resume.windows():
                yield from window
                self.segments.cut()
            self._steps = self.resume.steps(self.inputs.steps_per_window)
            self.control.send(Resumed(self._steps))
        for piece in self._new_frames(source):
            self.checkpointer.add_frames(piece)
            if self.windows is not None:
                self.windows.recorder.add(piece)
            yield piece
        self.segments.cut()

    def _extended_frames(self) -> Generator[np.ndarray, None, SourceEnds]:
        """All but the last frames of the video to extend; returns what the new ones need of it."""
        request = self.run.request
        source = SourceFrames(self.run.inputs["video.mp4"], request)
        ends = yield from split_tail(source, request.overlap, self.inputs.num_first)
        self.warnings += source.warnings
        self.segments.cut()
        return ends

    def _new_frames(self, source: SourceEnds | None) -> Iterator[Tensor]:
        return self.inputs.frames(
            self.pipe,
            source,
            resume=self.resume.state if self.resume else None,
            on_window_start=lambda index, _: self._begin_window(index),
            on_window_end=self._end_window,
            on_state=self._on_state,
            on_step=self._on_step,
            on_phase=lambda phase: self._enter(Phase(phase)),
            on_held_frames=self._on_held_frames,
            find_window=self._find_window if self.windows else None,
            on_finished=self.windows.recorder.finish if self.windows else None,
        )

    def _begin_window(self, index: int) -> None:
        self._is_last_window = index + 1 == len(self.inputs.plan)
        self.timer.window = index
        self.checkpointer.begin_window(index, is_last=self._is_last_window)

    def _end_window(self, state: WindowState) -> None:
        self.checkpointer.end_window(state, self.windows.recorder.ended if self.windows else None)
        self.segments.cut()

    def _find_window(self, inputs: WindowInputs) -> FinishedWindow | None:
        """The stored window; its steps then count as finished."""
        window = self.windows.find(inputs) if self.windows else None
        if window is not None:
            index = self.timer.window or 0
            before, self._steps = self._steps, (index + 1) * self.inputs.steps_per_window
            self.timer.count(Phase.DENOISING, self._steps - before)
            self.checkpointer.reused = (*self.checkpointer.reused, index)
        return window

    def _on_state(self, get_state: Callable[[], WindowState], is_last: bool) -> None:
        """Writes a checkpoint if one is due. After the last step of a draft its state is written instead."""
        if is_last and self.run.request.draft_steps is not None:
            write_draft(self.run.output_path.with_name(DRAFT_STATE), get_state(), self.draft)
        else:
            self.checkpointer.on_state(get_state, is_last)

    def _enter(self, phase: Phase) -> None:
        denoising = (self._steps, self.inputs.total_steps)
        decoding = (self._written, self.run.request.num_frames)
        counts = {Phase.DENOISING: denoising, Phase.DECODING: decoding}
        self.timer.enter(phase, counts.get(phase), is_reported=phase is not Phase.DECODING or self._is_last_window)

    def _on_held_frames(self) -> None:
        """Between two slices of a window whose frames are not returned yet: a sign of life, and a possible end."""
        self.timer.count(Phase.DECODING, 0)
        self.checkpointer.check_all()

    def _on_step(self, _pipe: Any, _index: int, _timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        self.timer.count(Phase.DENOISING, 1)
        self.control.check()
        self._steps += 1
        self.previews.after_step(self._steps, self.inputs.total_steps, tensors["pred_original_sample"])
        return tensors
