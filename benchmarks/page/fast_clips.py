"""Measures the section `quality`: fast clips of the small model against exact ones with the same seeds."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from easyanimate import sampling
from easyanimate.evaluation.from_text import video_prompts
from easyanimate.evaluation.prompts import EvaluationPrompt, Setup
from easyanimate.evaluation.task import compare, psnr
from easyanimate.memory import load_in_profile
from easyanimate.pipeline import Draws, Generation, generate_windows
from easyanimate.tiny.shipped import SHIPPED
from easyanimate.training.shapes import describe_scene
from easyanimate.windows import Window
from worker.models.cards import read_card

CAPTIONS = 20  # ten minutes of CPU time
# Shares of the schedule that switch one technique off.
WAYS: dict[str, dict[str, float]] = {
    "exact": {},
    "guidance interval": {"REUSE_FROM": 1.0},
    "step cache": {"GUIDED_SHARE": 1.0},
    "fast: both": {},
}


class FastClips:
    """The small model, and clips of it."""

    def __init__(self, captions: int = CAPTIONS) -> None:
        torch.set_num_threads(1)
        card = read_card(Path(str(SHIPPED)))
        side = int(card.max_pixels**0.5)
        self.setup = Setup(
            width=side,
            height=side,
            num_frames=card.default_num_frames,
            num_inference_steps=card.default_num_inference_steps,
            guidance_scale=card.default_guidance_scale,
            scheduler=card.default_scheduler,
            schedulers=(),
            captions=captions,
        )
        self.pipe = load_in_profile(Path(str(SHIPPED)), torch.float32, "normal", "cpu")
        self.seconds = 0.0
        self._started = 0.0
        self.pipe.transformer.register_forward_pre_hook(lambda *_: self._start())
        self.pipe.transformer.register_forward_hook(lambda *_: self._stop())

    def clip(self, prompt: EvaluationPrompt, quality: str) -> np.ndarray:
        """The frames [F, H, W, 3] of a caption."""
        setup = self.setup
        request = Generation(
            prompt=prompt.caption,
            height=setup.height,
            width=setup.width,
            num_frames=setup.num_frames,
            num_inference_steps=setup.num_inference_steps,
            guidance_scale=setup.guidance_scale,
            scheduler=setup.scheduler,
            quality=quality,
        )
        plan = (Window(0, setup.num_frames, setup.num_frames),)
        return torch.cat(list(generate_windows(self.pipe, request, plan, Draws.from_seed(prompt.seed)))).numpy()

    def _start(self) -> None:
        self._started = time.process_time()

    def _stop(self) -> None:
        self.seconds += time.process_time() - self._started


def measure(captions: int = CAPTIONS) -> dict[str, Any]:
    """The figures of each way, over all captions. The ways of a caption follow each other, so they meet equal loads."""
    clips = FastClips(captions)
    setup, prompts = clips.setup, video_prompts(clips.setup, captions)
    frames: dict[str, list[np.ndarray]] = {name: [] for name in WAYS}
    seconds = dict.fromkeys(WAYS, 0.0)
    for prompt, (name, shares) in product(prompts, WAYS.items()):
        clips.seconds = 0.0
        with _shares(shares):
            frames[name].append(clips.clip(prompt, "exact" if name == "exact" else "fast"))
        seconds[name] += clips.seconds
    ways = {
        name: {
            **_likeness(frames["exact"], made, name),
            **_captions(prompts, made),
            "seconds_ratio": seconds[name] / seconds["exact"],
        }
        for name, made in frames.items()
    }
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    about = {"width": setup.width, "height": setup.height, "num_frames": setup.num_frames}
    about |= {"steps": setup.num_inference_steps, "guidance_scale": setup.guidance_scale, "captions": captions}
    return {**about, "commit": commit.stdout.strip(), "date": date.today().strftime("%-d %B %Y"), "ways": ways}


@contextmanager
def _shares(shares: dict[str, float]) -> Iterator[None]:
    before = {share: getattr(sampling, share) for share in shares}
    try:
        for share, value in shares.items():
            setattr(sampling, share, value)
        yield
    finally:
        for share, value in before.items():
            setattr(sampling, share, value)


def _likeness(exact: list[np.ndarray], frames: list[np.ndarray], name: str) -> dict[str, Any]:
    if name == "exact":
        return dict.fromkeys(("psnr", "worst_psnr", "ssim", "worst_ssim"))
    ratios = [psnr(one, other) for one, other in zip(exact, frames, strict=True)]
    likeness = [ssim(one, other) for one, other in zip(exact, frames, strict=True)]
    return {"psnr": mean(ratios), "worst_psnr": min(ratios), "ssim": mean(likeness), "worst_ssim": min(likeness)}


def _captions(prompts: list[EvaluationPrompt], frames: list[np.ndarray]) -> dict[str, float]:
    """The share of all attributes of the captions that the clips show."""
    shown = []
    for prompt, clip in zip(prompts, frames, strict=True):
        result = compare(clip, describe_scene(prompt.scene))
        shown += [result.measured[name] == word for name, word in result.expected.items()]
    return {"captions": mean(shown)}


def ssim(frames: np.ndarray, others: np.ndarray) -> float:
    """Structural similarity of two uint8 clips [F, H, W, 3], with uniform windows of 7x7 pixels."""
    one, other = (torch.from_numpy(x).permute(0, 3, 1, 2).double() for x in (frames, others))
    means = [F.avg_pool2d(x, 7, 1) for x in (one, other)]
    products = [F.avg_pool2d(x * y, 7, 1) for x, y in ((one, one), (other, other), (one, other))]
    variances = [products[0] - means[0] ** 2, products[1] - means[1] ** 2]
    covariance = products[2] - means[0] * means[1]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances[0] + variances[1] + c2)).mean())
