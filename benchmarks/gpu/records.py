"""The figures of a run as JSON and as a table. A figure that is missing has its reason."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.gpu.limits import Rates, Work
from benchmarks.gpu.timing import Timing


@dataclass(frozen=True)
class Record:
    """One figure: its part, the clip or shape, the way of computing, its timing, and its work."""

    part: str
    shape: str
    way: str
    timing: Timing
    work: Work

    def to_json(self, rates: Rates) -> dict[str, Any]:
        """All values, with the limit of this device."""
        names = {"part": self.part, "shape": self.shape, "way": self.way}
        work = {"operations": self.work.operations, "moved_bytes": self.work.moved_bytes}
        return {**names, **asdict(self.timing), **work, "limit_s": self.work.limit_s(rates)}


def report(plan: str, rates: Rates, records: Iterable[Record], device: torch.device) -> dict[str, Any]:
    """The whole run as values of JSON."""
    return {
        "plan": plan,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "rates": asdict(rates),
        "records": [record.to_json(rates) for record in records],
    }


def table(values: dict[str, Any]) -> str:
    """The run as Markdown."""
    rates = values["rates"]
    head = (
        f"{values['device']}, torch {values['torch']}, Python {values['python']}. Largest product "
        f"{rates['products'] / 1e12:.3g} TFLOP/s, largest copy {rates['copies'] / 1e12:.3g} TB/s.\n"
    )
    names = ("part", "shape", "way", "seconds", "limit, s", "seconds / limit", "peak")
    rows = [_cells(record) for record in values["records"]]
    return "\n".join([head, _line(names), _line(["---"] * len(names)), *map(_line, rows)]) + "\n"


def _cells(record: dict[str, Any]) -> list[str]:
    names = [record[name] for name in ("part", "shape", "way")]
    seconds, peak, limit = record["seconds"], record["peak_bytes"], record["limit_s"]
    if seconds is None:
        return [*names, record["failure"], f"{limit:.3g}", "", ""]
    shown = f"{seconds:.3g}" + (f" ({record['failure']})" if record["failure"] else "")
    return [*names, shown, f"{limit:.3g}", f"{seconds / limit:.2f}", "" if peak is None else f"{peak / 1e9:.1f} GB"]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
