"""`easyanimate usage`: what the caller's completed videos took, by day or by model."""

import json
from typing import Annotated

import typer

from cli.client.client import Record
from cli.commands.remote.connection import Url, service_client
from cli.options import AsJson

COLUMNS = ("videos", "pixel_frames", "steps", "compute_seconds")


def usage(
    first: Annotated[
        str | None, typer.Option("--from", help="The first day, YYYY-MM-DD in UTC; default: 30 days in all.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day, included; default: today.")] = None,
    by: Annotated[str, typer.Option(help="day or model.")] = "day",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Print what your completed videos took: their number, pixel-frames, steps and seconds of computing."""
    with service_client("usage", url) as client:
        report = client.usage(group_by=by, **{"from": first, "to": last})
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    rows = [(str(row["day"] or row["model"]), row) for row in report["data"]]
    width = max(len(report["group_by"]), *(len(name) for name, _ in rows), len("total")) if rows else len("total")
    typer.echo(f"{report['group_by']:<{width}}" + "".join(f"  {name:>16}" for name in COLUMNS))
    for name, row in (*rows, ("total", report["total"])):
        typer.echo(f"{name:<{width}}" + "".join(f"  {_cell(row, column):>16}" for column in COLUMNS))


def _cell(row: Record, column: str) -> str:
    return f"{row[column]:.1f}" if column == "compute_seconds" else str(row[column])
