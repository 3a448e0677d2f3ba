"""`python -m tests.faults tour|figures|soak`: break everything, measure, and write down in docs/reliability.md."""

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread

from easyanimate.tiny import copy_tiny_model
from tests.faults import around, figures
from tests.faults.crashes import crash_keeper_at, crash_worker_at
from tests.faults.faults import REDIS_AWAY_LONG, every_fault
from tests.faults.house import MODEL, House
from tests.faults.laws import Laws
from tests.faults.report import say, table, write_block
from tests.faults.scene import PLACES, Outcome, play
from tests.faults.soak import soak
from worker.crash_points import NAMES

WORKERS = len(PLACES) - 1  # one for each phase but the queue
Run = Callable[[House, Laws], list[Outcome]]


def main() -> int:
    """0 if everything held; the page is written either way, from what was seen."""
    said = _arguments()
    return {"tour": _tour, "figures": _figures, "soak": _soak}[said.what](said)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("what", choices=["tour", "figures", "soak"])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="of the tour: what has this in its name")
    parser.add_argument("--jobs", type=int, default=500, help="of the soak")
    parser.add_argument("--seconds", type=float, default=600.0, help="of the soak")
    return parser.parse_args()


def _tour(said: argparse.Namespace) -> int:
    """Every fault in every phase, in an order that the seed gives; beside them, in a house of its own, the longest."""
    outcomes, failures, started = list[Outcome](), list[str](), time.monotonic()
    beside = Thread(target=_long_outage, args=[outcomes, failures])
    if said.only in REDIS_AWAY_LONG.name:
        beside.start()
    with _house(workers=WORKERS, on_s3=True) as house:
        laws = Laws(house)
        for name, run in _runs(said.seed, said.only):
            with _told(name, failures):
                outcomes += run(house, laws)
            house.make_whole()
    if beside.ident:
        beside.join()
    if not said.only:
        write_block("faults", said.seed, started, [*table(outcomes), "", *_told_failures(failures)])
    return 1 if failures else 0


def _runs(seed: int, only: str) -> list[tuple[str, Run]]:
    found: list[tuple[str, Run]] = [
        (fault.name, lambda house, laws, fault=fault: play(house, laws, fault)) for fault in every_fault()
    ]
    for point in NAMES:
        crash = crash_keeper_at if point.startswith("keeper") else crash_worker_at
        found.append((point, lambda house, laws, crash=crash, point=point: [crash(point, house, laws)]))
    found += around.RUNS
    random.Random(seed).shuffle(found)
    return [(name, run) for name, run in found if only in name]


def _long_outage(outcomes: list[Outcome], failures: list[str]) -> None:
    with _told(REDIS_AWAY_LONG.name, failures), _house(workers=WORKERS) as house:
        outcomes += play(house, Laws(house), REDIS_AWAY_LONG)


def _figures(said: argparse.Namespace) -> int:
    failures, started, lines = list[str](), time.monotonic(), list[str]()
    for name, measure in figures.ALL.items():
        with _told(name, failures), tempfile.TemporaryDirectory() as folder:
            lines += measure(partial(_new_house, Path(folder)), said.seed)
    write_block("figures", said.seed, started, [*figures.HEAD, *lines, "", *_told_failures(failures)])
    return 1 if failures else 0


def _soak(said: argparse.Namespace) -> int:
    failures, started, lines = list[str](), time.monotonic(), list[str]()
    with _told("soak", failures), _house(workers=3) as house:
        ends = soak(house, said.seed, said.jobs, said.seconds)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))
        lines.append(f"{said.jobs} jobs came to {house.workers} workers over {said.seconds:g} s: {counts}.")
        sys.stdout.write(lines[0] + "\n")
    write_block("soak", said.seed, started, [*lines, *_told_failures(failures)])
    return 1 if failures else 0


@contextmanager
def _house(**how: object) -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder, _new_house(Path(folder), **how) as house:
        yield house


def _new_house(folder: Path, **how: object) -> House:
    models = folder / "models"
    if not models.exists():
        copy_tiny_model(models / MODEL)
    return House(folder, models, **how)  # type: ignore[arg-type]


@contextmanager
def _told(name: str, failures: list[str]) -> Iterator[None]:
    """Says how it went; a failure is noted, and the others are to be seen as well."""
    started = time.monotonic()
    try:
        yield
        say(name, "held", time.monotonic() - started)
    except Exception as error:  # noqa: BLE001  see above
        failures.append(f"{name}: {error}")
        traceback.print_exc()
        say(name, "FAILED", time.monotonic() - started)


def _told_failures(failures: list[str]) -> list[str]:
    return [f"FAILED: {failure}" for failure in failures]


if __name__ == "__main__":
    sys.exit(main())
