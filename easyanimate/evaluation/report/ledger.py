"""What is judged already, on disk: an evaluation that was stopped goes on where it was."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from easyanimate.errors import InvalidInput
from easyanimate.evaluation.task import EvaluationTask, Judgement
from easyanimate.files.contact_sheet import contact_sheet

RESULTS = "results.jsonl"
STRIPS = "clips"


@dataclass(frozen=True)
class TaskResult:
    """A judged clip, as it is written down. `failed` says why there is none, "" if there is."""

    key: str
    part: str
    group: str
    index: int
    caption: str
    seed: int
    asked: Mapping[str, str]
    seen: Mapping[str, str | None]
    numbers: Mapping[str, float]
    seconds: float
    failed: str = ""

    @classmethod
    def of(cls, task: EvaluationTask, outcome: Judgement, seconds: float, failed: str = "") -> "TaskResult":
        """The result of a task."""
        named = (task.key, task.part, task.group, task.index, task.question.caption, task.question.seed)
        return cls(*named, outcome.asked, outcome.seen, outcome.numbers, round(seconds, 3), failed)

    @property
    def wrong(self) -> list[str]:
        """The attributes that do not show what was asked."""
        return [name for name, word in self.asked.items() if self.seen.get(name) != word]


class Ledger:
    """The results in a folder, a line for each, and a strip of frames for each.

    The first line says of which model and settings they are; those of another one are not mixed in (InvalidInput).
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        (folder / STRIPS).mkdir(parents=True, exist_ok=True)
        self._folder, self._path = folder, folder / RESULTS
        self._first = json.dumps(about)
        self.results = self._read() if self._path.exists() else self._begin()

    def add(self, result: TaskResult, frames: np.ndarray) -> None:
        """Keep a result, and some of its frames."""
        strip = self.strip(result.key)
        strip.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(frames).save(strip)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        self.results[result.key] = result

    def strip(self, key: str) -> Path:
        """The picture of a result's frames."""
        return self._folder / STRIPS / f"{key}.png"

    def _begin(self) -> dict[str, TaskResult]:
        self._path.write_text(self._first + "\n", encoding="utf-8")
        return {}

    def _read(self) -> dict[str, TaskResult]:
        """What is there, cut after the last whole line: a writer may have been killed."""
        text = self._path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        first, *lines = whole.splitlines() or [""]
        if first != self._first:
            other = "results of another model or of other settings"
            raise InvalidInput(f"{self._folder} holds {other}; choose another folder or remove it")
        try:
            results = [TaskResult(**json.loads(line)) for line in lines]
        except (ValueError, TypeError) as problem:
            raise InvalidInput(f"{self._path} is damaged: {problem}; choose another folder or remove it") from problem
        if whole != text:
            self._path.write_text(whole, encoding="utf-8")
        return {result.key: result for result in results}
