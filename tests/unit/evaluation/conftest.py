"""An evaluation of 24 captions with a model that draws its clips."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from easyanimate.evaluation import Ledger, Setup, plan_tasks, run_sequentially, run_tasks
from easyanimate.training.shapes import Scene
from tests.unit.evaluation.drawing_model import DrawingModel


@pytest.fixture
def setup() -> Setup:
    return Setup(
        width=64,
        height=64,
        num_frames=16,
        num_inference_steps=10,
        guidance_scale=3.0,
        scheduler="ddim",
        schedulers=("euler", "ddim", "pndm"),
        captions=24,
        lora=Path("outlined.safetensors"),
    )


@pytest.fixture
def evaluated(setup: Setup, tmp_path: Path) -> Callable[..., list[Any]]:
    """The results of some parts; `change` alters the scenes that the model draws."""

    def evaluate(parts: Sequence[str], change: Callable[[Scene], Scene] = lambda scene: scene, **settings: Any) -> Any:
        changed = replace(setup, **settings)
        tasks = plan_tasks(parts, changed)
        return run_tasks(
            tasks,
            partial(run_sequentially, model=DrawingModel(changed, tasks, change)),
            Ledger(tmp_path / "out", {}),
            lambda task: None,
        )

    return evaluate
