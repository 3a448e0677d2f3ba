"""The cost of checkpoints in an undisturbed run: a long video of the small model with and without them."""

import tempfile
from pathlib import Path

from benchmarks.side_by_side import Row, best_seconds, row
from easyanimate.tiny import copy_tiny_model
from jobs.model.request import VideoRequest
from worker.generation.generator import VideoGenerator
from worker.protocol.control import RunControl
from worker.protocol.messages import Checkpoints, Run

MODEL = "easyanimate-v3-tiny"
EVERY_S = 5.0  # the default


def rows() -> list[Row]:
    """A row for the time of a run."""
    with tempfile.TemporaryDirectory() as folder:
        copy_tiny_model(Path(folder) / MODEL)
        generator = VideoGenerator.load(Path(folder) / MODEL, "cpu", "float32")
        generator.card = generator.card.model_copy(update={"max_frames": 16})
        count = iter(range(10**6))

        def generate(with_checkpoints: bool) -> None:
            spool = Path(folder) / str(next(count))
            spool.mkdir()
            checkpoints = Checkpoints(spool / "0", EVERY_S) if with_checkpoints else None
            run = Run("run", _request(), spool / "video.mp4", {}, checkpoints)
            generator.make(run, RunControl(lambda _: None))

        seconds = best_seconds(lambda: generate(False), lambda: generate(True))
    names = ("without checkpoints", "with")
    return [row("a video of three windows, 15 steps each", names, (seconds[0], seconds[1]), "s")]


def _request() -> VideoRequest:
    return VideoRequest(
        model=MODEL, prompt="a red ball", width=64, height=64, num_frames=40, fps=24, num_inference_steps=15,
        guidance_scale=4.0, scheduler="dpmpp_2m", seed=1,
    )  # fmt: skip
