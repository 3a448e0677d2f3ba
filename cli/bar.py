"""One progress bar for all commands: a bar on a terminal, and a line per phase in a log file or a pipe.

Both are on stderr, so that stdout has results only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar(Protocol):
    """A progress bar."""

    def update(self, done: float, phase: str, detail: str = "") -> None:
        """Shows how much is done, the phase, and a `detail` that changes within the phase."""


class TerminalBar:
    """A bar with the percentage, the phase and the elapsed time."""

    def __init__(self, progress: "Progress", task: "TaskID") -> None:
        self._progress = progress
        self._task = task

    def update(self, done: float, phase: str, detail: str = "") -> None:
        """Moves the bar; it never moves back."""
        completed = max(done, self._progress.tasks[self._task].completed)
        self._progress.update(self._task, completed=completed, phase=f"{phase} {detail}".rstrip())


class LineBar:
    """One line for each new phase."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._phase = ""

    def update(self, done: float, phase: str, detail: str = "") -> None:
        """Prints the phase once; `done` and `detail` would be a line each time."""
        if phase != self._phase:
            self._phase = phase
            typer.echo(f"{self._label}: {phase}", err=True)


@contextmanager
def open_bar(label: str, total: float) -> Iterator[Bar]:
    """A bar from 0 to `total`, until the end of the block."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineBar(label)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[phase]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield TerminalBar(progress, progress.add_task(label, total=total, phase=""))
