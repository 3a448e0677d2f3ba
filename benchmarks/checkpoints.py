"""What checkpoints cost a run that nothing goes wrong with: a long video of the small model with and without them."""

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
    """A line for the time of a run."""
    with tempfile.TemporaryDirectory() as folder:
        copy_tiny_model(Path(folder) / MODEL)
        maker = VideoGenerator.load(Path(folder) / MODEL, "cpu", "float32")
        maker.card = maker.card.model_copy(update={"max_frames": 16})
        count = iter(range(10**6))

        def make(checkpoints: bool) -> None:
            room = Path(folder) / str(next(count))
            room.mkdir()
            kept = Checkpoints(room / "0", EVERY_S) if checkpoints else None
            maker.make(Run("run", _request(), room / "video.mp4", {}, kept), RunControl(lambda _: None))

        seconds = best_seconds(lambda: make(False), lambda: make(True))
    names = ("without checkpoints", "with")
    return [row("a video of three windows, 15 steps each", names, (seconds[0], seconds[1]), "s")]


def _request() -> VideoRequest:
    return VideoRequest(
        model=MODEL, prompt="a red ball", width=64, height=64, num_frames=40, fps=24, num_inference_steps=15,
        guidance_scale=4.0, scheduler="dpmpp_2m", seed=1,
    )  # fmt: skip
