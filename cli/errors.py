"""Errors of commands: one line on stderr, and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


class CommandError(Exception):
    """A command cannot continue; the message is one sentence."""


class StackFailed(CommandError):
    """The service could not be started."""


@contextmanager
def exit_on_error(
    command: str, *errors: type[Exception], code: int = 1, on_interrupt: str | None = None
) -> Iterator[None]:
    """Prints an error of these types, or a CommandError, and ends the command with `code`.

    With the message `on_interrupt`, Ctrl-C ends it with 130.
    """
    handled: tuple[type[Exception], ...] = (CommandError, *errors)
    try:
        yield
    except handled as error:
        typer.echo(f"easyanimate {command}: {error}", err=True)
        raise typer.Exit(code) from error
    except KeyboardInterrupt as error:
        if on_interrupt is None:
            raise
        typer.echo(f"easyanimate {command}: {on_interrupt}", err=True)
        raise typer.Exit(130) from error
