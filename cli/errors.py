"""Errors of commands: one line on stderr, and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer


class ExitCode(IntEnum):
    """The exit codes of all commands; the docstring of each says when it is used."""

    OK = 0, "The command did what was requested."
    FAILED = 1, "It ran and failed: a failed video, a frame that differs, a broken check, a model that does not load."
    REFUSED = 2, "It cannot be done as requested: an option, a file, or a request that the service refuses."
    UNAVAILABLE = 3, "The service or Redis does not answer, or is busy. The same command may succeed later."
    INTERRUPTED = 130, "Ctrl-C. A line on stderr says what continues."

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """A code with its `meaning`, which the reference prints."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.__doc__ = meaning
        return code


class CommandError(Exception):
    """A command cannot continue; the message is one sentence."""

    exit_code: ExitCode | None = None  # None: the command decides


class RefusedCommand(CommandError):
    """The options or the request are not possible."""

    exit_code = ExitCode.REFUSED


class Unavailable(CommandError):
    """A server does not answer, or is temporarily unavailable."""

    exit_code = ExitCode.UNAVAILABLE


class StackFailed(CommandError):
    """The service could not be started."""


@contextmanager
def exit_on_error(
    command: str, *errors: type[Exception], code: int = ExitCode.FAILED, on_interrupt: str | None = None
) -> Iterator[None]:
    """Prints an error of these types, or a CommandError, and ends the command with its code or `code`.

    With the message `on_interrupt`, Ctrl-C ends it with 130.
    """
    handled: tuple[type[Exception], ...] = (CommandError, *errors)
    try:
        yield
    except handled as error:
        typer.echo(f"easyanimate {command}: {error}", err=True)
        own_code = error.exit_code if isinstance(error, CommandError) else None
        raise typer.Exit(code if own_code is None else own_code) from error
    except KeyboardInterrupt as error:
        if on_interrupt is None:
            raise
        typer.echo(f"easyanimate {command}: {on_interrupt}", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from error
