"""An evaluation of 24 captions, and its results with a stand-in for the model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from easyanimate.evaluation import Ledger, Setup, in_turn, plan_tasks, run_tasks
from easyanimate.training.shapes import Scene
from tests.unit.evaluation.draughtsman import Draughtsman


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
    """The results of some parts, made by a draughtsman who changes each scene."""

    def evaluate(parts: Sequence[str], change: Callable[[Scene], Scene] = lambda scene: scene, **changes: Any) -> Any:
        changed = replace(setup, **changes)
        tasks = plan_tasks(parts, changed)
        return run_tasks(
            tasks,
            partial(in_turn, maker=Draughtsman(changed, tasks, change)),
            Ledger(tmp_path / "out", {}),
            lambda task: None,
        )

    return evaluate
