"""The results on disk, so that an interrupted evaluation can continue."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.evaluation.task import Comparison, EvaluationTask
from easyanimate.files.contact_sheet import contact_sheet
from easyanimate.provenance.plain import save_generated

SaveImage = Callable[[Image.Image, Path], None]

RESULTS = "results.jsonl"
STRIPS = "clips"
NAMES_IN_FILE = {"expected": "asked", "measured": "seen"}  # fields with another name in the file
FIELDS_OF_FILE = {name: field for field, name in NAMES_IN_FILE.items()}


@dataclass(frozen=True)
class TaskResult:
    """The result of one clip. `failed` is the reason if there is no clip, and else ""."""

    key: str
    part: str
    group: str
    index: int
    caption: str
    seed: int
    expected: Mapping[str, str]
    measured: Mapping[str, str | None]
    numbers: Mapping[str, float]
    seconds: float
    failed: str = ""

    @classmethod
    def of(cls, task: EvaluationTask, comparison: Comparison, seconds: float, failed: str = "") -> "TaskResult":
        """The result of a task."""
        named = (task.key, task.part, task.group, task.index, task.prompt.caption, task.prompt.seed)
        return cls(*named, comparison.expected, comparison.measured, comparison.numbers, round(seconds, 3), failed)

    @classmethod
    def from_json(cls, line: str) -> "TaskResult":
        """The result of a line of the file. Raises ValueError or TypeError."""
        values: dict[str, Any] = dict(json.loads(line))
        return cls(**{FIELDS_OF_FILE.get(name, name): value for name, value in values.items()})

    def to_json(self) -> str:
        """A line of the file."""
        return json.dumps({NAMES_IN_FILE.get(name, name): value for name, value in asdict(self).items()})

    @property
    def wrong(self) -> list[str]:
        """The attributes whose measured word is not the expected one."""
        return [name for name, word in self.expected.items() if self.measured.get(name) != word]


class Ledger:
    """The results in a folder: a file with a line for each, and an image with some frames for each.

    The first line identifies model and settings. Raises InvalidInput for a folder of another model or other settings.
    `save_image` saves and marks all images of the evaluation, which show generated frames.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], save_image: SaveImage = save_generated) -> None:
        self.save_image = save_image
        (folder / STRIPS).mkdir(parents=True, exist_ok=True)
        self._folder, self._path = folder, folder / RESULTS
        self._first = json.dumps(about)
        self.results = self._read() if self._path.exists() else self._begin()

    def add(self, result: TaskResult, frames: np.ndarray) -> None:
        """Adds a result and an image with some of its frames."""
        strip = self.strip(result.key)
        strip.parent.mkdir(parents=True, exist_ok=True)
        self.save_image(contact_sheet(frames), strip)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(result.to_json() + "\n")
        self.results[result.key] = result

    def strip(self, key: str) -> Path:
        """The path of the image with the frames of a result."""
        return self._folder / STRIPS / f"{key}.png"

    def _begin(self) -> dict[str, TaskResult]:
        self._path.write_text(self._first + "\n", encoding="utf-8")
        return {}

    def _read(self) -> dict[str, TaskResult]:
        """The results of all complete lines; an incomplete last line of a killed process is removed."""
        text = self._path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        first, *lines = whole.splitlines() or [""]
        if first != self._first:
            other = "results of another model or of other settings"
            raise InvalidInput(f"{self._folder} contains {other}; choose another folder or remove it")
        try:
            results = [TaskResult.from_json(line) for line in lines]
        except (ValueError, TypeError) as problem:
            raise InvalidInput(f"{self._path} is damaged: {problem}; choose another folder or remove it") from problem
        if whole != text:
            self._path.write_text(whole, encoding="utf-8")
        return {result.key: result for result in results}
