"""Results of a tour in a file, so that a tour can be run in parts. A line is the result of one run, as JSON."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.scenario import Outcome


@dataclass(frozen=True)
class RunResult:
    """The result of one run of a tour: its outcomes, or the reason why it failed; and the commit that was measured."""

    name: str
    commit: str
    seconds: float
    outcomes: Sequence[Outcome] = ()
    failure: str | None = None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "RunResult":
        """The result in a line. Raises ValueError, TypeError."""
        values = json.loads(line)
        return cls(**values | {"outcomes": tuple(Outcome(**outcome) for outcome in values["outcomes"])})


@dataclass
class Results:
    """The results in a file. A line that was cut by the end of the process is left out, and its run is repeated."""

    path: Path
    runs: dict[str, RunResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            if line.endswith("}"):
                result = RunResult.from_json(line)
                self.runs[result.name] = result

    def add(self, result: RunResult) -> None:
        """Appends a result to the file."""
        self.runs[result.name] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{result.to_json()}\n")

    def missing(self, names: Sequence[str]) -> list[str]:
        """The names without a result, in order."""
        return [name for name in names if name not in self.runs]

    def of(self, names: Sequence[str]) -> list[RunResult]:
        """The results of these names that exist, in order."""
        return [self.runs[name] for name in names if name in self.runs]


class Budget:
    """The time of one part of a tour. A run that would probably end later, like the longest so far, is not started."""

    def __init__(self, minutes: float | None) -> None:
        self._ends_at = float("inf") if minutes is None else time.monotonic() + 60 * minutes
        self._longest_s = 0.0

    def record(self, seconds: float) -> None:
        """Notes the duration of a run."""
        self._longest_s = max(self._longest_s, seconds)

    def allows(self, seconds: float | None = None) -> bool:
        """Whether a run of this duration, or of the longest one so far, ends in time."""
        return time.monotonic() + (self._longest_s if seconds is None else seconds) < self._ends_at
