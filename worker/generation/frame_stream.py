"""One run on its way: its frames, in order, with everything told and kept on the way."""

from collections import deque
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from easyanimate import EasyAnimatePipeline
from easyanimate.pipeline import WindowState, generate_windows
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.windows import Window
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase
from worker.checkpoints.writer import Checkpointer, ResumePoint
from worker.generation.pipeline_inputs import PipelineInputs, build_pipeline_inputs
from worker.generation.source_video import source_frames
from worker.output.previews import Previews
from worker.output.segments import SegmentRecorder
from worker.protocol.control import RunControl
from worker.protocol.messages import Resumed, Run
from worker.protocol.progress import PhaseTimer

OLD_AT_ONCE = 8  # frames of a continued video that are written at a time


class FrameStream:
    """The frames of `run`, from where `found` left them. `frames` once, `wrote` after each piece."""

    def __init__(
        self,
        pipe: EasyAnimatePipeline,
        card: ModelCard,
        run: Run,
        found: ResumePoint | None,
        watch: PhaseTimer,
        contact: RunControl,
        checkpointer: Checkpointer,
        previews: Previews,
    ) -> None:
        self.pipe, self.card = pipe, card
        self.run, self.asked = run, run.request
        self.found = found
        self.watch, self.contact, self.checkpointer, self.previews = watch, contact, checkpointer, previews
        self.segments = SegmentRecorder(run, contact)
        self.warnings: tuple[str, ...] = ()
        self._written = 0
        self._steps_before = 0
        self._steps, self._total_steps = 0, 0
        self._is_last_window = False

    def frames(self) -> Iterator[Any]:
        """Pieces [F, H, W, 3], uint8: those of the video that is continued, if one is, then the new ones."""
        tail = (yield from self._old_frames()) if self.asked.continues else None
        given = build_pipeline_inputs(self.asked, self.run.inputs, self.card.window, tail)
        self.segments.is_wanted |= len(given.plan) > 1
        self.warnings = (*self.pipe.prompt_warnings(given.asked), *self.previews.warnings)
        if self.found is not None:
            for frames in self.found.windows():
                yield from frames
                self.segments.cut()
            self._steps_before = self.found.steps(given.steps_per_window)
            self.contact.tell(Resumed(self._steps_before))
        self.checkpointer.steps_per_window = given.steps_per_window
        self._steps, self._total_steps = self._steps_before, given.total_steps
        for piece in self._new_frames(given):
            self.checkpointer.wrote(piece)
            yield piece
        self.segments.cut()

    def wrote(self, frames: Any) -> None:
        """These frames are in the file."""
        self._written += len(frames)
        self.watch.count(Phase.DECODING, len(frames))
        self.segments.add(frames)

    def _new_frames(self, given: PipelineInputs) -> Iterator[Tensor]:
        return generate_windows(
            self.pipe,
            given.asked,
            given.plan,
            Draws.from_seed(self.asked.seed),
            resume=self.found.state if self.found else None,
            on_window_start=lambda index, _: self._begin_window(index, given.plan),
            on_window_end=self._end_window,
            on_state=self.checkpointer.on_state,
            on_step=self._on_step,
            on_phase=lambda phase: self._enter(Phase(phase), given),
        )

    def _old_frames(self) -> Generator[np.ndarray, None, np.ndarray]:
        """All but the last frames of the video that is continued; those are returned, [overlap, H, W, 3]."""
        waiting: deque[np.ndarray] = deque()
        for frame in source_frames(self.run.inputs["video.mp4"], self.asked):
            waiting.append(frame)
            if len(waiting) == OLD_AT_ONCE + self.asked.overlap:
                yield np.stack([waiting.popleft() for _ in range(OLD_AT_ONCE)])
        while len(waiting) > self.asked.overlap:
            yield waiting.popleft()[None]
        self.segments.cut()
        return np.stack(waiting)

    def _begin_window(self, index: int, plan: tuple[Window, ...]) -> None:
        self._is_last_window = index + 1 == len(plan)
        self.checkpointer.begin_window(index, is_last=self._is_last_window)

    def _end_window(self, state: WindowState) -> None:
        self.checkpointer.end_window(state)
        self.segments.cut()

    def _enter(self, phase: Phase, given: PipelineInputs) -> None:
        denoising, decoding = (self._steps_before, given.total_steps), (self._written, self.asked.num_frames)
        counts = {Phase.DENOISING: denoising, Phase.DECODING: decoding}
        self.watch.enter(phase, counts.get(phase), told=phase is not Phase.DECODING or self._is_last_window)

    def _on_step(self, _pipe: Any, _index: int, _timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        self.watch.count(Phase.DENOISING, 1)
        self.contact.check()
        self._steps += 1
        self.previews.after_step(self._steps, self._total_steps, tensors["pred_original_sample"])
        return tensors
