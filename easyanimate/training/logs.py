"""What a training tells: a progress bar, a CSV file, TensorBoard events."""

import csv
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tqdm import tqdm


class TrainingLog:
    """Of the main process; the others stay quiet. A resumed training goes on in the same files."""

    def __init__(self, folder: Path, *, start: int, steps: int, is_main: bool) -> None:
        self._bar = tqdm(
            total=steps, initial=start, unit="step", disable=not is_main, dynamic_ncols=True, mininterval=1
        )
        self._csv = folder / "losses.csv" if is_main else None
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=start) if is_main else None
        if self._csv:
            _forget_after(self._csv, start)

    def tell(self, step: int, values: dict[str, float]) -> None:
        """The values of a step, into files and beside the bar."""
        if self._csv is None or self._events is None:
            return
        is_new = not self._csv.exists()
        with self._csv.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if is_new:
                rows.writerow(["step", "name", "value"])
            rows.writerows([step, name, repr(value)] for name, value in values.items())
        for name, value in values.items():
            self._events.add_scalar(name, value, step)
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)

    def advance(self) -> None:
        """One step is done."""
        self._bar.update()

    def close(self) -> None:
        """Everything is on disk."""
        self._bar.close()
        if self._events:
            self._events.close()


def read_losses(path: Path, name: str = "loss") -> dict[int, float]:
    """One column of a CSV of `TrainingLog`, by step."""
    with path.open(newline="", encoding="utf-8") as file:
        return {int(row["step"]): float(row["value"]) for row in csv.DictReader(file) if row["name"] == name}


def _forget_after(path: Path, start: int) -> None:
    """What was told of steps that are done again."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[Any] = [row for row in csv.reader(file) if row and (row[0] == "step" or int(row[0]) < start)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
