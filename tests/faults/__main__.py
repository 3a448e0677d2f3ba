"""`python -m tests.faults tour|recovery|figures|soak`: injects faults and writes docs/explanation/reliability.md.

A tour can be run in parts: with `--minutes 25` it ends before that time, and the same command continues it. The results
so far are in `runs/faults/tour-SEED.jsonl`; the page is written when all runs have a result.
"""

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread

from easyanimate.tiny import copy_tiny_model
from tests.faults import environment, films, measurements, preemptions, promotions
from tests.faults.crashes import CRASH_POINTS, crash_keeper_at, crash_worker_at
from tests.faults.faults import REDIS_OUTAGE, all_faults
from tests.faults.installation import MODEL, SHORT_LEASE, Installation
from tests.faults.invariants import Invariants
from tests.faults.measurements import DEFAULT_INTERVALS
from tests.faults.report import ROOT, Figure, current_commit, report, table, write_block
from tests.faults.results import Budget, Results, RunResult
from tests.faults.scenario import SETUPS, Outcome, run_scenario
from tests.faults.soak import soak

WORKERS = len(SETUPS) - 1  # one for each phase except the queue
WINDOW_POINTS = (
    "window.stored",
)  # of stored windows, which are off here; tests/integration/worker/windows kills there
OUTAGE_MARGIN_S = 180.0  # for start and end of the installation of the longest fault
Run = Callable[[Installation, Invariants], list[Outcome]]


def main() -> int:
    """Runs a command and writes its block of the page; returns 1 if a check failed."""
    options = _arguments()
    return {"tour": _tour, "recovery": _recovery, "figures": _figures, "soak": _soak}[options.command](options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("command", choices=["tour", "recovery", "figures", "soak"])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="tour: only the faults with this text in their name")
    parser.add_argument("--minutes", type=float, help="tour: end before this time; the same command continues")
    parser.add_argument("--restart", action="store_true", help="tour: forget the results of earlier parts")
    parser.add_argument("--jobs", type=int, default=500, help="soak: number of jobs")
    parser.add_argument("--seconds", type=float, default=600.0, help="soak: time over which the jobs are submitted")
    return parser.parse_args()


def _tour(options: argparse.Namespace) -> int:
    """Injects each fault in each phase, in an order that depends on the seed. The longest fault runs in parallel.

    Returns 1 if a run failed, 3 if runs are left for the next part.
    """
    results = _results(options)
    runs = _runs(options.seed, options.only)
    names = [*runs, *([REDIS_OUTAGE.name] if options.only in REDIS_OUTAGE.name else [])]
    budget = Budget(options.minutes)
    long_outage = Thread(target=_run_once, args=[results, REDIS_OUTAGE.name, _long_outage])
    if results.missing(names[len(runs) :]) and budget.allows(REDIS_OUTAGE.duration_s + OUTAGE_MARGIN_S):
        long_outage.start()
    _run_missing(runs, results, budget)
    if long_outage.ident:
        long_outage.join()
    if missing := results.missing(names):
        sys.stdout.write(f"{len(missing)} of {len(names)} runs are left; the same command continues\n")
        return 3
    done = results.of(names)
    if not options.only:
        _write_tour(options.seed, done)
    return 1 if any(result.failure for result in done) else 0


def _results(options: argparse.Namespace) -> Results:
    """The results of earlier parts; a tour of some faults begins anew each time."""
    path = ROOT / "runs" / "faults" / f"tour-{options.seed}.jsonl"
    if options.only:
        path = Path(tempfile.mkdtemp()) / path.name
    if options.restart:
        path.unlink(missing_ok=True)
    return Results(path)


def _runs(seed: int, only: str) -> dict[str, Run]:
    """The runs by name, in the order of the seed."""
    result: list[tuple[str, Run]] = [
        (fault.name, lambda installation, invariants, fault=fault: run_scenario(installation, invariants, fault))
        for fault in all_faults()
    ]
    for point in (point for point in CRASH_POINTS if point not in (*preemptions.POINTS, *WINDOW_POINTS)):
        crash = crash_keeper_at if point.startswith("keeper") else crash_worker_at
        result.append(
            (point, lambda installation, invariants, crash=crash, point=point: [crash(point, installation, invariants)])
        )
    result += environment.RUNS + promotions.RUNS + films.RUNS + preemptions.RUNS
    random.Random(seed).shuffle(result)
    return {name: run for name, run in result if only in name}


def _run_missing(runs: Mapping[str, Run], results: Results, budget: Budget) -> None:
    """Runs what has no result yet, until the time is over."""
    missing = results.missing(list(runs))
    if not missing:
        return
    with _installation(workers=WORKERS, on_s3=True) as installation:
        invariants = Invariants(installation)
        for name in missing:
            if not budget.allows():
                return
            _run_once(results, name, lambda name=name: runs[name](installation, invariants))
            budget.record(results.runs[name].seconds)
            installation.repair_all()


def _run_once(results: Results, name: str, run: Callable[[], list[Outcome]]) -> None:
    """Records the outcomes of a run, or its failure."""
    started, failures, outcomes = time.monotonic(), list[str](), list[Outcome]()
    with _format_outcome(name, failures):
        outcomes = run()
    failure = failures[0] if failures else None
    results.add(RunResult(name, current_commit(), time.monotonic() - started, outcomes, failure))


def _long_outage() -> list[Outcome]:
    with _installation(workers=WORKERS) as installation:
        return run_scenario(installation, Invariants(installation), REDIS_OUTAGE)


def _write_tour(seed: int, done: list[RunResult]) -> None:
    outcomes = [outcome for result in done for outcome in result.outcomes]
    failures = [result.failure for result in done if result.failure]
    seconds = sum(result.seconds for result in done if result.name != REDIS_OUTAGE.name)
    lines = [*table(outcomes), "", *_format_failures(failures)]
    write_block("faults", seed, seconds, lines, SHORT_LEASE, [result.commit for result in done])


def _recovery(options: argparse.Namespace) -> int:
    return _measure("recovery", measurements.RECOVERY, options.seed)


def _figures(options: argparse.Namespace) -> int:
    return _measure("figures", measurements.FIGURES, options.seed)


def _measure(block: str, measures: Mapping[str, measurements.Measure], seed: int) -> int:
    failures, started, figures = list[str](), time.monotonic(), list[Figure]()
    for name, measure in measures.items():
        with _format_outcome(name, failures), tempfile.TemporaryDirectory() as folder:
            figures += measure(partial(_new_installation, Path(folder)), seed)
    return write_figures(figures, failures, seed, started, block)


def write_figures(figures: list[Figure], failures: list[str], seed: int, started: float, block: str = "figures") -> int:
    """Writes a block of figures; returns 1 if a goal is missed or a measurement failed."""
    failures = failures + [f"the goal is missed: {figure.name}" for figure in figures if figure.is_missed]
    sys.stdout.write("".join(f"{failure}\n" for failure in failures))
    rows = [figure.row() for figure in figures]
    write_block(
        block,
        seed,
        time.monotonic() - started,
        [*measurements.HEAD, *rows, "", *_format_failures(failures)],
        DEFAULT_INTERVALS,
    )
    return 1 if failures else 0


def _soak(options: argparse.Namespace) -> int:
    failures, started, lines = list[str](), time.monotonic(), list[str]()
    with _format_outcome("soak", failures), _installation(workers=3) as installation:
        ends = soak(installation, options.seed, options.jobs, options.seconds)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))
        lines.append(
            f"{options.jobs} jobs came to {installation.workers} workers over {options.seconds:g} s: {counts}."
        )
        sys.stdout.write(lines[0] + "\n")
    write_block("soak", options.seed, time.monotonic() - started, [*lines, *_format_failures(failures)], SHORT_LEASE)
    return 1 if failures else 0


@contextmanager
def _installation(**options: object) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory() as folder, _new_installation(Path(folder), **options) as installation:
        yield installation


def _new_installation(folder: Path, **options: object) -> Installation:
    models = folder / "models"
    if not models.exists():
        copy_tiny_model(models / MODEL)
    return Installation(folder, models, **options)  # type: ignore[arg-type]


@contextmanager
def _format_outcome(name: str, failures: list[str]) -> Iterator[None]:
    """Reports the result of a run. A failure is recorded, and the next runs follow."""
    started = time.monotonic()
    try:
        yield
        report(name, "passed", time.monotonic() - started)
    except Exception as error:  # noqa: BLE001  every failure is recorded
        failures.append(f"{name}: {error}")
        traceback.print_exc()
        report(name, "FAILED", time.monotonic() - started)


def _format_failures(failures: list[str]) -> list[str]:
    return [f"FAILED: {failure}" for failure in failures]


if __name__ == "__main__":
    sys.exit(main())
