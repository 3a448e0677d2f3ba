"""`easyanimate doctor`: checks everything that the service needs, and reports problems with advice."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object with all results.")] = False) -> None:
    """Check settings, Redis, storage, models, disk, device, codecs, moderation. Exit code 1 if anything is broken."""
    from cli.checks.checks import run_checks

    results = run_checks()
    is_ok = all(result.level != "broken" for result in results)
    if as_json:
        typer.echo(json.dumps({"ok": is_ok, "findings": [asdict(result) for result in results]}, indent=2))
    else:
        for result in results:
            typer.echo(str(result))
        typer.echo("" if is_ok else "\nsomething is broken; see the advice above")
    raise typer.Exit(0 if is_ok else 1)
