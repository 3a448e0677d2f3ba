"""The section on the goals of exact speed; a part without a stored run is named as not measured."""

from collections.abc import Iterator
from typing import Any

from benchmarks.page.sections import markdown_table, read_result

RESULT = "speed"
# The parts of `python -m benchmarks.speed` in the order of the page, and what they measure.
PARTS = {
    "counts": "calls of the encoders, and the work of a step",
    "peaks": "peaks of the VAE for clips of 24 to 1,440 frames",
    "mid-size": "CPU time of a guided clip",
    "decoding": "CPU time of decoding beside EasyAnimate 5.1",
    "encoding": "CPU time of encoding a clip of the rehearsal",
    "start-up": "start of `easyanimate generate`",
    "dispatch": "queue and dispatch of a video",
}
EMPTY = "not measured"


def goals_section() -> str:
    """The table of goals and figures."""
    stored = read_result(RESULT)
    rows = [row for part in PARTS for row in _rows(part, stored.get(part))]
    return _TEXT.format(table=markdown_table(("what", "goal", "measured", "state", "part", "commit", "load"), rows))


def _rows(part: str, result: dict[str, Any] | None) -> Iterator[list[str]]:
    if result is None:
        yield [PARTS[part], "", EMPTY, "", f"`{part}`", "", ""]
        return
    for goal in result["goals"]:
        state = "met" if goal["is_met"] else "missed"
        load = f"{result['load']:.1f}"
        yield [goal["what"], goal["goal"], goal["result"], state, f"`{part}`", result["commit"], load]


_TEXT = """## Goals of exact speed

    .venv/bin/python -m benchmarks.speed PART

measures one part, stores it and writes this page. Each part is a run of its own. *Load* is that of the machine at
the end of the run, an AMD EPYC with 2 CPUs that other programs used too. So only counts, bytes and ratios of CPU
time are compared: one thread for each way, in one run. *Control* is the ratio of the same work to itself in that
run. `mid-size` and `encoding` are counted calls times the CPU time of one call of each part. The first release of
V3 is a path of this code with its operations: three whole videos encoded, no result kept, images enlarged before a
convolution, and the transformer of the [counts](decisions/0047-inference-of-the-transformer.md). Weights are
random.

{table}
"""
