"""The report of a rehearsal, as JSON and as tables in Markdown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RehearsalPhase:
    """A phase with its duration and a text with other measurements."""

    name: str
    seconds: float
    result: str = ""


@dataclass(frozen=True)
class ActivationRow:
    """Live and estimated bytes of activations of one phase of a clip."""

    phase: str
    live_bytes: int
    estimated_bytes: int

    @property
    def ratio(self) -> float:
        """Estimated bytes divided by live bytes."""
        return self.estimated_bytes / self.live_bytes

    def markdown(self) -> str:
        """The row of the table."""
        return f"| {self.phase} | {self.live_bytes / 1e6:.0f} | {self.estimated_bytes / 1e6:.0f} | {self.ratio:.2f} |"


@dataclass
class Report:
    """The phases, the activations and the problems of a rehearsal."""

    size: str
    machine: str
    phases: list[RehearsalPhase] = field(default_factory=list)
    activations: list[ActivationRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The tables."""
        lines = [f"Size: {self.size}. {self.machine}", "", "| phase | seconds | result |", "|---|---|---|"]
        lines += [f"| {phase.name} | {phase.seconds:.0f} | {phase.result} |" for phase in self.phases]
        lines += [f"| together | {sum(phase.seconds for phase in self.phases):.0f} | |"]
        lines += ["", *_activation_lines(self.activations)]
        lines += [f"- {problem}" for problem in self.problems]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> Path:
        """Writes report.md and report.json to `folder`; returns the path of report.md."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        (folder / "report.md").write_text(self.markdown(), encoding="utf-8")
        return folder / "report.md"


def _activation_lines(rows: Sequence[ActivationRow]) -> list[str]:
    if not rows:
        return []
    head = ["| phase of a clip | live MB | estimated MB | estimated / live |", "|---|---|---|---|"]
    return [*head, *(row.markdown() for row in rows), ""]
