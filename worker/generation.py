"""A request made into an MP4: the loaded pipeline, its arguments, the frames streamed to a file, the file checked."""

import hashlib
import json
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import torch
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from torch import Tensor

from easyanimate import EasyAnimatePipeline
from easyanimate.errors import CheckpointError
from easyanimate.pipeline.draws import Draws
from easyanimate.pipeline.schedulers import num_timesteps
from easyanimate.video_file import Mp4Writer, probe
from jobs.model_card import ModelCard
from jobs.request import VideoRequest
from jobs.states import Phase
from worker.cards import read_card
from worker.failures import BrokenVideo
from worker.messages import Answer, Done, Progress, Run

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class VideoMaker:
    """One loaded model on one device."""

    def __init__(self, pipe: EasyAnimatePipeline, card: ModelCard) -> None:
        self.pipe = pipe
        self.card = card

    @classmethod
    def load(cls, folder: Path, device: str, dtype: str) -> Self:
        """The model in `folder`. "auto" takes CUDA if there is any, in bfloat16; else the CPU, in float32."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("EASYANIMATE_DEVICE is cuda, but torch sees no CUDA device here")
        if dtype == "auto":
            dtype = "bfloat16" if device == "cuda" else "float32"
        if not folder.is_dir():
            raise CheckpointError(f"there is no folder {folder}")
        card = read_card(folder)
        diffusers_logging.set_verbosity_error()  # what it has to say is not for our log
        pipe = EasyAnimatePipeline.from_pretrained(folder, torch_dtype=DTYPES[dtype])
        return cls(pipe.to(device), card)

    @torch.inference_mode()
    def make(self, run: Run, tell: Callable[[Answer], None], check: Callable[[], None]) -> Done:
        """The video of `run`, at its path. Raises Interrupted from `check`, BrokenVideo, or what the library raises."""
        asked = run.request
        watch = PhaseWatch(tell, self.pipe.device)
        draws = Draws.from_seed(asked.seed)
        latents, warnings = self._denoise(run, draws, watch, check)
        watch.enter(Phase.DECODING, asked.num_frames)
        with Mp4Writer(
            run.output_path, width=asked.width, height=asked.height, fps=asked.fps, comment=self._story(asked)
        ) as video:
            for frames in self.pipe.decode_frames(latents, draws):
                video.write(frames)
                watch.count(len(frames))
                check()
            watch.enter(Phase.MUXING)
        _check_video(run.output_path, asked)
        return Done(
            sha256=_sha256(run.output_path),
            size_bytes=run.output_path.stat().st_size,
            peak_memory_mb=watch.peak_memory_mb(),
            phase_seconds=watch.seconds(),
            warnings=warnings,
        )

    def _denoise(
        self, run: Run, draws: Draws, watch: "PhaseWatch", check: Callable[[], None]
    ) -> tuple[Tensor, tuple[str, ...]]:
        """Latents [1, 4, f, h, w] and what the caller should know about them."""

        def on_step(pipe: Any, index: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            watch.count(1)
            check()
            return tensors

        asked = run.request
        total_steps = num_timesteps(asked.scheduler, asked.num_inference_steps)
        with _opened(run.image_path) as image:
            output = self.pipe(
                asked.prompt,
                asked.negative_prompt,
                image=image,
                height=asked.height,
                width=asked.width,
                num_frames=asked.num_frames,
                num_inference_steps=asked.num_inference_steps,
                guidance_scale=asked.guidance_scale,
                scheduler=asked.scheduler,
                generator=draws,
                callback_on_step_end=on_step,
                callback_on_phase=lambda phase: watch.enter(Phase(phase), total_steps),
                output_type="latent",
            )
        return output.frames, output.warnings

    def _story(self, asked: VideoRequest) -> str:
        """How the video was made, for its metadata: enough to make it again, without the words of the caller."""
        told = {"model", "width", "height", "num_frames", "fps", "num_inference_steps", "guidance_scale", "scheduler"}
        return json.dumps(asked.model_dump(mode="json", include=told | {"seed"}))


class PhaseWatch:
    """Tells how far a run is, and measures its phases and its memory."""

    def __init__(self, tell: Callable[[Answer], None], device: torch.device) -> None:
        self._tell = tell
        self._progress = Progress(Phase.LOADING, 0, 0)
        self._entered: dict[Phase, float] = {}
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def enter(self, phase: Phase, total: int | None = None) -> None:
        """A new phase begins, with so much to count; without, the count stands where it was."""
        self._entered[phase] = time.monotonic()
        self._progress = replace(self._progress, phase=phase)
        if total is not None:
            self._progress = replace(self._progress, step=0, total_steps=total)
        self._tell(self._progress)

    def count(self, done: int) -> None:
        """So much more is done."""
        self._progress = replace(self._progress, step=self._progress.step + done)
        self._tell(self._progress)

    def seconds(self) -> dict[str, float]:
        """What each phase took until the next one began; the last one, until now."""
        times = [*self._entered.values(), time.monotonic()]
        return {phase.value: round(times[i + 1] - times[i], 3) for i, phase in enumerate(self._entered)}

    def peak_memory_mb(self) -> float:
        """The most memory of the device in MiB since the watch began; on a CPU, of the process since it was started."""
        if self._device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self._device) / 2**20, 1)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)


@contextmanager
def _opened(path: Path | None) -> Iterator[Image.Image | None]:
    if path is None:
        yield None
        return
    with Image.open(path, formats=["PNG"]) as image:
        yield image.convert("RGB")


def _check_video(path: Path, asked: VideoRequest) -> None:
    """Decode the whole file: what is stored must play."""
    found = probe(path)
    wanted = (asked.num_frames, asked.width, asked.height, Fraction(asked.fps))
    if (found.num_frames, found.width, found.height, found.fps) != wanted:
        raise BrokenVideo(f"the file holds {found}, not {wanted}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
