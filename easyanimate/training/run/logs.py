"""The log of a training: a progress bar, a CSV file, TensorBoard events."""

import csv
import io
from pathlib import Path

from tqdm import tqdm

from easyanimate.training.run.export import replace_text_file, write_errors
from easyanimate.training.run.tensorboard_events import TensorBoardEvents

COLUMNS = 3  # step, name, value; the last line of a killed process may have fewer


class TrainingLog:
    """The log of the main process; other processes write nothing. A resumed training appends to the same files."""

    def __init__(self, folder: Path, *, start: int, steps: int, is_main: bool) -> None:
        self._bar = tqdm(
            total=steps, initial=start, unit="step", disable=not is_main, dynamic_ncols=True, mininterval=1
        )
        self._csv = folder / "losses.csv" if is_main else None
        self._events: TensorBoardEvents | None = None
        if self._csv:
            with write_errors("the log", folder):
                _remove_steps(self._csv, start)
                self._events = TensorBoardEvents(folder / "tensorboard", start)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Writes the values of a step to the files and shows them beside the bar."""
        if self._csv is None or self._events is None:
            return
        with write_errors("the log", self._csv):
            _append(self._csv, step, values)
            self._events.write(step, values)
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)

    def advance(self) -> None:
        """Advances the progress bar by one step."""
        self._bar.update()

    def close(self) -> None:
        """Closes the bar and the event file."""
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


def _remove_steps(path: Path, start: int) -> None:
    """Removes the values of steps from `start` on, which are computed again."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == COLUMNS and (row[0] == "step" or int(row[0]) < start)]
    kept = io.StringIO(newline="")
    csv.writer(kept).writerows(rows)
    replace_text_file(path, kept.getvalue())
