"""What a training tells: a progress bar, a CSV file, TensorBoard events."""

import csv
import io
from pathlib import Path

from tqdm import tqdm

from easyanimate.training.run.export import replace_text, writing
from easyanimate.training.run.tensorboard_events import TensorBoardEvents

COLUMNS = 3  # step, name, value; a line that a kill cut short has fewer


class TrainingLog:
    """Of the main process; the others stay quiet. A resumed training goes on in the same files."""

    def __init__(self, folder: Path, *, start: int, steps: int, is_main: bool) -> None:
        self._bar = tqdm(
            total=steps, initial=start, unit="step", disable=not is_main, dynamic_ncols=True, mininterval=1
        )
        self._csv = folder / "losses.csv" if is_main else None
        self._events: TensorBoardEvents | None = None
        if self._csv:
            with writing("the log", folder):
                _forget_after(self._csv, start)
                self._events = TensorBoardEvents(folder / "tensorboard", start)

    def tell(self, step: int, values: dict[str, float]) -> None:
        """The values of a step, into files and beside the bar."""
        if self._csv is None or self._events is None:
            return
        with writing("the log", self._csv):
            _append(self._csv, step, values)
            self._events.tell(step, values)
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)

    def advance(self) -> None:
        """One step is done."""
        self._bar.update()

    def close(self) -> None:
        """Everything is on disk."""
        self._bar.close()
        if self._events:
            self._events.close()


def _append(path: Path, step: int, values: dict[str, float]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if is_new:
            rows.writerow(["step", "name", "value"])
        rows.writerows([step, name, repr(value)] for name, value in values.items())


def read_losses(path: Path, name: str = "loss") -> dict[int, float]:
    """One column of a CSV of `TrainingLog`, by step."""
    with path.open(newline="", encoding="utf-8") as file:
        return {int(row["step"]): float(row["value"]) for row in csv.DictReader(file) if row["name"] == name}


def _forget_after(path: Path, start: int) -> None:
    """What was told of steps that are done again."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == COLUMNS and (row[0] == "step" or int(row[0]) < start)]
    kept = io.StringIO(newline="")
    csv.writer(kept).writerows(rows)
    replace_text(path, kept.getvalue())
