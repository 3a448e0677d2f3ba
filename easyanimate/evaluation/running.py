"""An evaluation from its plan to its results, in this process or in several."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch

from easyanimate.errors import EasyAnimateError, NotFinite
from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.metrics import METRIC_GROUPS
from easyanimate.evaluation.prompts import Setup
from easyanimate.evaluation.report.ledger import Ledger, TaskResult
from easyanimate.evaluation.task import EvaluationTask, Judgement
from easyanimate.training.shapes import describe_scene


@dataclass(frozen=True)
class GeneratedVideo:
    """What came of a task, and in how many seconds; `failed` says why it is nothing, "" if it is something."""

    task: EvaluationTask
    outcome: Judgement
    seconds: float
    failed: str


def plan_tasks(parts: Sequence[str], setup: Setup) -> list[EvaluationTask]:
    """All clips of these parts, in order."""
    return [task for part in parts for task in METRIC_GROUPS[part].plan(setup)]


def run_tasks(
    tasks: Sequence[EvaluationTask],
    make: Callable[[Sequence[EvaluationTask]], Iterable[GeneratedVideo]],
    ledger: Ledger,
    on_task: Callable[[EvaluationTask], None],
) -> list[TaskResult]:
    """The result of every task; those in the ledger are not made again. `on_task` hears of each that was.

    `make` is `in_turn` or `side_by_side` with a maker.
    """
    for made in make([task for task in tasks if task.key not in ledger.results]):
        ledger.add(TaskResult.of(made.task, made.outcome, made.seconds, made.failed), made.outcome.frames)
        on_task(made.task)
    return [ledger.results[task.key] for task in tasks]


def in_turn(tasks: Sequence[EvaluationTask], maker: EvaluationModel) -> Iterator[GeneratedVideo]:
    """One after the other, here."""
    for task in tasks:
        yield _make(task, maker)


def side_by_side(
    tasks: Sequence[EvaluationTask], open_maker: Callable[[], EvaluationModel], workers: int
) -> Iterator[GeneratedVideo]:
    """Several at a time, each in a process with a maker of its own and one thread: for small models on a CPU.

    `open_maker` can be pickled. The results are those of `in_turn`, in the same order. Raises EasyAnimateError if a
    process is gone.
    """
    if not tasks:
        return
    pool = ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn"), _open, (open_maker,))
    try:
        yield from pool.map(_make_there, tasks)
    except BrokenProcessPool as problem:
        raise EasyAnimateError("a process that made clips has ended; take fewer workers") from problem
    finally:
        pool.shutdown(cancel_futures=True)


_maker: list[EvaluationModel] = []  # the one of this process, where it is one of several


def _open(open_maker: Callable[[], EvaluationModel]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears of it, and ends the others
    torch.set_num_threads(1)
    _maker[:] = [open_maker()]


def _make_there(task: EvaluationTask) -> GeneratedVideo:
    return _make(task, _maker[0])


def _make(task: EvaluationTask, maker: EvaluationModel) -> GeneratedVideo:
    """A model that makes no picture has everything wrong, and the evaluation goes on."""
    start, failed = time.monotonic(), ""
    try:
        outcome = METRIC_GROUPS[task.part].make(maker, task)
    except NotFinite as problem:
        nothing = np.zeros((1, maker.setup.height, maker.setup.width, 3), np.uint8)
        outcome, failed = Judgement(describe_scene(task.question.scene), {}, {}, nothing), str(problem)
    return GeneratedVideo(task, outcome, time.monotonic() - start, failed)
