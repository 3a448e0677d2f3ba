"""Runs the tasks of an evaluation, in this process or in several."""

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
from easyanimate.evaluation.task import Comparison, EvaluationTask
from easyanimate.training.shapes import describe_scene


@dataclass(frozen=True)
class EvaluatedClip:
    """A finished task. `failed` is the reason if there is no clip, and else ""."""

    task: EvaluationTask
    comparison: Comparison
    seconds: float
    failed: str


def plan_tasks(parts: Sequence[str], setup: Setup) -> list[EvaluationTask]:
    """The tasks of these parts, in order."""
    return [task for part in parts for task in METRIC_GROUPS[part].plan(setup)]


def run_tasks(
    tasks: Sequence[EvaluationTask],
    evaluate: Callable[[Sequence[EvaluationTask]], Iterable[EvaluatedClip]],
    ledger: Ledger,
    on_task: Callable[[EvaluationTask], None],
) -> list[TaskResult]:
    """The results of all tasks; those in the ledger are not run again. `on_task` is called after each task.

    `evaluate` is `run_sequentially` or `run_in_processes` with a model.
    """
    for clip in evaluate([task for task in tasks if task.key not in ledger.results]):
        ledger.add(TaskResult.of(clip.task, clip.comparison, clip.seconds, clip.failed), clip.comparison.frames)
        on_task(clip.task)
    return [ledger.results[task.key] for task in tasks]


def run_sequentially(tasks: Sequence[EvaluationTask], model: EvaluationModel) -> Iterator[EvaluatedClip]:
    """Runs tasks one after the other in this process."""
    for task in tasks:
        yield _evaluate(task, model)


def run_in_processes(
    tasks: Sequence[EvaluationTask], open_model: Callable[[], EvaluationModel], workers: int
) -> Iterator[EvaluatedClip]:
    """Runs tasks in several processes, each with its own model and one thread: for small models on a CPU.

    `open_model` must be picklable. The results are those of `run_sequentially`, in the same order. Raises
    EasyAnimateError if a process ends unexpectedly.
    """
    if not tasks:
        return
    processes = get_context("forkserver")  # the server imports torch once for all of them
    processes.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(min(workers, len(tasks)), processes, _init_worker, (open_model,))
    try:
        yield from pool.map(_evaluate_in_worker, tasks)
    except BrokenProcessPool as problem:
        raise EasyAnimateError("a process that generated clips has ended; use fewer workers") from problem
    finally:
        pool.shutdown(cancel_futures=True)


_worker_model: list[EvaluationModel] = []  # the model of this worker process


def _init_worker(open_model: Callable[[], EvaluationModel]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles it and ends the workers
    torch.set_num_threads(1)
    _worker_model[:] = [open_model()]


def _evaluate_in_worker(task: EvaluationTask) -> EvaluatedClip:
    return _evaluate(task, _worker_model[0])


def _evaluate(task: EvaluationTask, model: EvaluationModel) -> EvaluatedClip:
    """Evaluates a task; if the model returns values that are not finite, all attributes are wrong."""
    start, failed = time.monotonic(), ""
    try:
        comparison = METRIC_GROUPS[task.part].evaluate(model, task)
    except NotFinite as problem:
        black = np.zeros((1, model.setup.height, model.setup.width, 3), np.uint8)
        comparison, failed = Comparison(describe_scene(task.prompt.scene), {}, {}, black), str(problem)
    return EvaluatedClip(task, comparison, time.monotonic() - start, failed)
