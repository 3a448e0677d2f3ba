"""`python -m tests.upgrades`: upgrades and rolls back API, keeper and worker under load, in every order.

It prints a table, writes it into docs/operations/upgrades.md after each row, and returns 1 if a job was lost.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

from tests.upgrades.load import Counts, Load
from tests.upgrades.processes import PARTS, Installation, NotStarted
from tests.upgrades.releases import Release, ReleaseMissing, check_out
from tests.upgrades.report import Row, table, write_block


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if no job was lost, 1 after a loss, 2 if the test could not run."""
    options = _arguments(arguments)
    with tempfile.TemporaryDirectory(prefix="upgrades-") as name:
        folder, rows, started = Path(name), list[Row](), time.monotonic()
        try:
            old, new = check_out(options.release, folder / "old"), check_out(options.current, folder / "new")
            for row in run_all(old, new, folder / "run", options.orders):
                rows.append(row)
                sys.stdout.write(f"{row.line()}\n")
                sys.stdout.flush()
                write_block(old, new, time.monotonic() - started, table(rows))
        except (ReleaseMissing, NotStarted) as error:
            sys.stderr.write(f"upgrade-test: {error}\n")
            return 2
    sys.stdout.write("\n".join(["", *table(rows), ""]))
    return int(any(row.counts.is_loss for row in rows))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrades")
    parser.add_argument("--release", default="v0.2.0", help="the older release: a tag or commit")
    parser.add_argument("--current", default="HEAD", help="the newer release: a tag or commit")
    parser.add_argument("--orders", type=int, default=6, help="number of orders, each up and down; all are 6")
    return parser.parse_args(arguments)


def run_all(old: Release, new: Release, folder: Path, orders: int) -> Iterator[Row]:
    """For each order of the parts an upgrade and a rollback, on one installation."""
    folder.mkdir()
    with Installation(folder, old) as installation:
        for order in list(permutations(PARTS))[:orders]:
            yield run_one(installation, "upgrade", order, new)
            yield run_one(installation, "rollback", order, old)


def run_one(installation: Installation, name: str, order: Sequence[str], release: Release) -> Row:
    """Replaces the parts in this order under load."""
    started, codes = time.monotonic(), list[int]()
    with Load(lambda: installation.urls) as load:
        for part in order:
            _wait_for_jobs(load.counts, installation)
            codes.append(installation.replace(part, release))
        _wait_for_jobs(load.counts, installation)
    return Row(name, tuple(order), load.counts, codes, time.monotonic() - started)


def _wait_for_jobs(counts: Counts, installation: Installation, more: int = 2, timeout_s: float = 120.0) -> None:
    """Waits until the present mixture of releases has finished some jobs, so that each mixture has a load."""
    wanted, deadline = counts.finished + more, time.monotonic() + timeout_s
    while counts.finished < wanted and not counts.failed and time.monotonic() < deadline:
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
