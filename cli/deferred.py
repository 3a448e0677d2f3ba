"""Commands that are imported when they are used.

The list of a group needs one sentence for each command, and not its module.
"""

import errno
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class Deferred:
    """A command: its name, `module:attribute` below `cli.commands`, panel in the help, and sentence in the list."""

    name: str
    target: str
    panel: str
    summary: str

    def listed(self) -> TyperCommand:
        """The command as the list of its group shows it, without options."""
        return TyperCommand(self.name, help=self.summary, rich_help_panel=self.panel)

    @cache  # noqa: B019  the instances are constants of a module
    def load(self) -> Any:
        """Imports the command: a function, or a group of commands."""
        module, attribute = self.target.split(":")
        target = getattr(import_module(f"cli.commands.{module}"), attribute)
        if isinstance(target, typer.Typer):
            command: Any = typer.main.get_group(target)
        else:
            only = typer.Typer(add_completion=False)
            only.command()(target)
            command = typer.main.get_command(only)
        command.name = self.name
        return command


class _Commands(Mapping[str, Any]):
    """Commands by name; the values are imported at their first use."""

    def __init__(self, rows: tuple[Deferred, ...]) -> None:
        self._rows = {row.name: row for row in rows}

    def __getitem__(self, name: str) -> Any:
        return self._rows[name].load()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def deferring_group(rows: tuple[Deferred, ...]) -> type[TyperGroup]:
    """The class of a group with these commands."""
    listed = {row.name: row.listed() for row in rows}

    class DeferringGroup(TyperGroup):
        """Lists its commands without their modules; `commands` are the complete ones."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands: Any = _Commands(rows)

        def list_commands(self, ctx: Any) -> list[str]:
            return list(listed)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return listed.get(cmd_name)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            return name, command and self.commands[command.name], rest

        def main(self, *args: Any, **settings: Any) -> Any:
            """Runs the command. A full disk, also one that the output goes to, is one line, and ends it with 1."""
            try:
                return super().main(*args, **settings)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                sys.stderr.write(f"easyanimate: the output cannot be written: {error.strerror}\n")
                sys.exit(1)

    return DeferringGroup
