"""An evaluation from its plan to its results."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from easyanimate.errors import NotFinite
from easyanimate.evaluation.asking import Setup
from easyanimate.evaluation.ledger import Ledger, Result
from easyanimate.evaluation.maker import Maker
from easyanimate.evaluation.parts import PARTS
from easyanimate.evaluation.task import Outcome, Task
from easyanimate.training.shapes import told


def plan(parts: Sequence[str], setup: Setup) -> list[Task]:
    """All clips of these parts, in order."""
    return [task for part in parts for task in PARTS[part].plan(setup)]


def run(tasks: Sequence[Task], maker: Maker, ledger: Ledger, on_task: Callable[[Task], None]) -> list[Result]:
    """The result of every task; those in the ledger are not made again. `on_task` hears of each that was."""
    for task in tasks:
        if task.key not in ledger.results:
            start = time.monotonic()
            outcome, failed = _make(task, maker)
            ledger.add(Result.of(task, outcome, time.monotonic() - start, failed), outcome.frames)
            on_task(task)
    return [ledger.results[task.key] for task in tasks]


def _make(task: Task, maker: Maker) -> tuple[Outcome, str]:
    """What came of a task. A model that makes no picture has everything wrong, and the evaluation goes on."""
    try:
        return PARTS[task.part].make(maker, task), ""
    except NotFinite as problem:
        nothing = np.zeros((1, maker.setup.height, maker.setup.width, 3), np.uint8)
        return Outcome(told(task.question.scene), {}, {}, nothing), str(problem)
