"""`easyanimate doctor`: tries whatever the service needs, and says in plain words what is wrong and what to do."""

import json
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines: one object with all findings.")] = False,
) -> None:
    """Look at settings, Redis, storage, models, disk, device and codecs. Exit code 1 if anything is broken."""
    from cli.checks.checks import run_checks

    findings = run_checks()
    is_well = all(finding.level != "broken" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": is_well, "findings": [finding.as_dict() for finding in findings]}, indent=2))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo("" if is_well else "\nsomething is broken; the lines above say what to do")
    raise typer.Exit(0 if is_well else 1)
