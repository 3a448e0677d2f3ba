"""`python -m tests.faults`: every fault in every phase, then the soak; the tables go into docs/reliability.md."""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

from easyanimate.tiny import make_tiny_model
from tests.faults.faults import Outcome, crash_keeper_at, crash_worker_at, shuffled
from tests.faults.house import MODEL, House
from tests.faults.soak import soak
from worker.crash_points import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> int:
    """0 if everything held; the page is written either way, from what was seen."""
    said = _arguments()
    outcomes, failures, lines = list[Outcome](), list[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        make_tiny_model(models / MODEL, seed=0)
        house = House(Path(folder), models, workers=3)
        house.start()
        try:
            for name, run in _runs(said.seed) if not said.soak_only else []:
                _one(name, lambda run=run: outcomes.append(run(house, said.seed)), failures)
            if said.soak_s:
                _one("soak", lambda: lines.append(_soak(house, said.seed, said.jobs, said.soak_s)), failures)
        finally:
            house.stop()
    _write_page(_facts(said.seed), outcomes, failures, lines)
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=500, help="of the soak")
    parser.add_argument("--soak-s", type=float, default=600.0, help="0 for none")
    parser.add_argument("--soak-only", action="store_true")
    return parser.parse_args()


def _runs(seed: int) -> list[tuple[str, Callable[[House, int], Outcome]]]:
    found: list[tuple[str, Callable[[House, int], Outcome]]] = [
        (f"{fault.name} in {fault.phase}", fault.run) for fault in shuffled(seed)
    ]
    return found + [
        (point, crash_keeper_at(point) if point.startswith("keeper") else crash_worker_at(point)) for point in NAMES
    ]


def _one(name: str, run: Callable[[], object], failures: list[str]) -> None:
    started = time.monotonic()
    try:
        run()
        told = "held"
    except Exception as error:  # noqa: BLE001  the others are to be seen as well
        failures.append(f"{name}: {error}")
        traceback.print_exc()
        told = "FAILED"
    sys.stdout.write(f"{name}: {told} after {time.monotonic() - started:.0f} s\n")
    sys.stdout.flush()


def _soak(house: House, seed: int, jobs: int, seconds: float) -> str:
    ends = soak(house, seed, jobs, seconds)
    return f"Soak: {jobs} jobs on {house.workers} workers over {seconds:g} s: " + ", ".join(
        f"{count} {name}" for name, count in sorted(ends.items())
    )


def _facts(seed: int) -> str:
    stamp = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"{stamp}, seed {seed}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
    )


def _write_page(facts: str, outcomes: list[Outcome], failures: list[str], lines: list[str]) -> None:
    rows = ["| fault | phase | running again after s | steps repeated |", "|---|---|---|---|"]
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.fault, outcome.phase)):
        again = "not interrupted" if outcome.recovered_s is None else f"{outcome.recovered_s:g}"
        steps = "" if outcome.steps_repeated is None else str(outcome.steps_repeated)
        rows.append(f"| {outcome.fault} | {outcome.phase} | {again} | {steps} |")
    killed = [o.recovered_s for o in outcomes if o.fault == "worker SIGKILL" and o.recovered_s is not None]
    if len(killed) > 1:
        cuts = quantiles(killed, n=100, method="inclusive")
        rows += ["", f"A killed worker's job runs again after {cuts[49]:.1f} s at p50, {cuts[98]:.1f} s at p99."]
    rows += ["", *lines, *(f"FAILED: {failure}" for failure in failures)]
    old = PAGE.read_text(encoding="utf-8")
    before, after = old.partition(BEGIN)[0], old.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{facts}\n\n" + "\n".join(rows).rstrip() + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
