"""`python -m benchmarks.speed PART`: measures one part of the goals, stores it, and writes docs/benchmarks.md.

`start-up` takes the most rounds for the least time; `mid-size`, `decoding` and `encoding` take minutes for one.
`dispatch` needs a service on this machine (`--url`) that has nothing else to do."""

import argparse
from collections.abc import Callable
from typing import Any

from benchmarks.page.__main__ import write_page
from benchmarks.page.goals import PARTS, RESULT
from benchmarks.page.sections import read_result, write_result
from benchmarks.speed import counted, decoding, dispatch, encoding, mid_size, peaks, start_up
from benchmarks.speed.goal import Goal, report

MEASURES: dict[str, Callable[[int], list[Goal]]] = {
    "counts": counted.measure,
    "peaks": peaks.measure,
    "mid-size": mid_size.measure,
    "decoding": decoding.measure,
    "encoding": encoding.measure,
    "start-up": start_up.measure,
}


def main() -> None:
    """Measures one part, stores its goals and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service, for `dispatch`")
    parser.add_argument("--steps", type=int, default=200, help="of a video, for `dispatch`")
    options = parser.parse_args()
    if options.part == "dispatch":
        goals = dispatch.measure(options.rounds, options.url, options.steps)
    else:
        goals = MEASURES[options.part](options.rounds)
    results: dict[str, Any] = {**read_result(RESULT), options.part: report(goals)}
    write_result(RESULT, {part: results[part] for part in PARTS if part in results})
    write_page()
    for goal in goals:
        print(f"{goal.what}: {goal.result}, goal {goal.goal}, {'met' if goal.is_met else 'missed'}")


if __name__ == "__main__":
    main()
