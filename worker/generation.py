"""A request made into an MP4 or a PNG: inputs, LoRAs, windows, frames streamed to a file, and the story of it all."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from easyanimate import EasyAnimatePipeline
from easyanimate.errors import CheckpointError
from easyanimate.manifest import FrameHashes, file_sha256
from easyanimate.pipeline import generate_windows
from easyanimate.pipeline.draws import Draws
from easyanimate.windows import Window
from jobs.model_card import ModelCard
from jobs.states import Phase
from worker import story
from worker.cards import read_card
from worker.given import Given, what_is_given
from worker.load_model import choose_device, load_pipeline
from worker.loras import put_on
from worker.messages import Answer, Done, Run
from worker.phase_watch import PhaseWatch
from worker.result_file import result_file, seal
from worker.settings import Memory
from worker.source_video import source_frames
from worker.story import Workplace

Check = Callable[[], None]
OLD_AT_ONCE = 8  # frames of a continued video that are written at a time


class VideoMaker:
    """One loaded model on one device; LoRAs lie in `models_dir`/loras."""

    def __init__(self, pipe: EasyAnimatePipeline, place: Workplace, card: ModelCard, models_dir: Path) -> None:
        self.pipe = pipe
        self.place = place
        self.card = card
        self.models_dir = models_dir

    @classmethod
    def load(cls, folder: Path, device: str, dtype: str, memory: Memory = "auto") -> Self:
        """The model in `folder`. "auto" takes CUDA if there is any, in bfloat16; else the CPU, in float32."""
        on = choose_device(device)
        if not folder.is_dir():
            raise CheckpointError(f"there is no folder {folder}")
        card = read_card(folder)
        return cls(*load_pipeline(folder, card, on, dtype, memory), card, folder.parent)

    @torch.inference_mode()
    def make(self, run: Run, tell: Callable[[Answer], None], check: Check) -> Done:
        """The video of `run`, at its path, and `manifest.json` beside it.

        Raises Interrupted from `check`, Refused, BrokenVideo, or what the library raises.
        """
        watch, hashes = PhaseWatch(tell, torch.device(self.place.device)), FrameHashes()
        watch.enter(Phase.ENCODING)
        with put_on(self.pipe, self.models_dir, run.request.loras) as (loras, lora_warnings):
            making = _Making(self, run, watch, check)
            with result_file(run.output_path, run.request) as write:
                for frames in making.frames():
                    hashes.add(frames)
                    write(frames)
                    making.wrote(len(frames))
                    check()
                watch.enter(Phase.MUXING)
        manifest = story.tell(self.place, run, self.card.window, loras, hashes.all())
        seal(run.output_path, run.request, story.without_words(manifest))
        run.output_path.with_name("manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        return Done(
            sha256=file_sha256(run.output_path),
            size_bytes=run.output_path.stat().st_size,
            peak_memory_mb=watch.peak_memory_mb(),
            phase_seconds=watch.seconds(),
            warnings=(*making.warnings, *lora_warnings),
        )


class _Making:
    """One run on its way: its frames, in order, with everything told on the way."""

    def __init__(self, maker: VideoMaker, run: Run, watch: PhaseWatch, check: Check) -> None:
        self.maker = maker
        self.run = run
        self.asked = run.request
        self.watch = watch
        self.check = check
        self.warnings: tuple[str, ...] = ()
        self._written = 0
        self._is_last_window = False

    def frames(self) -> Iterator[Any]:
        """Pieces [F, H, W, 3], uint8: those of the video that is continued, if one is, then the new ones."""
        tail = (yield from self._old_frames()) if self.asked.continues else None
        given = what_is_given(self.asked, self.run.inputs, self.maker.card.window, tail)
        self.warnings = self.maker.pipe.prompt_warnings(given.asked)
        yield from generate_windows(
            self.maker.pipe,
            given.asked,
            given.plan,
            Draws.from_seed(self.asked.seed),
            on_window_start=lambda index, _: self._begin_window(index, given.plan),
            on_step=self._on_step,
            on_phase=lambda phase: self._enter(Phase(phase), given),
        )

    def wrote(self, count: int) -> None:
        """So many frames are in the file."""
        self._written += count
        self.watch.count(Phase.DECODING, count)

    def _old_frames(self) -> Generator[np.ndarray, None, np.ndarray]:
        """All but the last frames of the video that is continued; those are returned, [overlap, H, W, 3]."""
        waiting: deque[np.ndarray] = deque()
        for frame in source_frames(self.run.inputs["video.mp4"], self.asked):
            waiting.append(frame)
            if len(waiting) == OLD_AT_ONCE + self.asked.overlap:
                yield np.stack([waiting.popleft() for _ in range(OLD_AT_ONCE)])
        while len(waiting) > self.asked.overlap:
            yield waiting.popleft()[None]
        return np.stack(waiting)

    def _begin_window(self, index: int, plan: tuple[Window, ...]) -> None:
        self._is_last_window = index + 1 == len(plan)

    def _enter(self, phase: Phase, given: Given) -> None:
        counts = {Phase.DENOISING: (0, given.total_steps), Phase.DECODING: (self._written, self.asked.num_frames)}
        self.watch.enter(phase, counts.get(phase), told=phase is not Phase.DECODING or self._is_last_window)

    def _on_step(self, _pipe: Any, _index: int, _timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        self.watch.count(Phase.DENOISING, 1)
        self.check()
        return tensors
