"""`easyanimate queues`: shows the queues of a service, and pauses and resumes them with a key of an operator."""

import json
from typing import Annotated

import typer

from cli.client.client import Record
from cli.commands.remote.connection import Url, service_client
from cli.options import AsJson
from cli.quantities import plural

app = typer.Typer(help="Queues of a service: list, pause, resume.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="The full name of the model, as `easyanimate queues list` shows it.")]


@app.command("list")
def list_(as_json: AsJson = False, url: Url = None) -> None:
    """List the queues of all models: waiting and running videos, workers, and why no video starts."""
    with service_client("queues", url) as client:
        queues = client.queues()
    if as_json:
        typer.echo(json.dumps(queues, indent=2))
        return
    for queue in queues["data"]:
        typer.echo(_line(queue))
    if not queues["data"]:
        typer.echo("no model yet; a worker announces its models", err=True)


@app.command()
def pause(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why; callers see it at GET /v1/queue.")] = "",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Pause the queue of a model until it is resumed. Its videos are accepted and wait; running ones end normally.

    With keys, the key in EASYANIMATE_API_KEY needs the role admin.
    """
    with service_client("queues", url) as client:
        _show(client.pause_queue(model, reason), as_json)


@app.command()
def resume(model: Model, as_json: AsJson = False, url: Url = None) -> None:
    """Resume the queue of a model. With keys, the key in EASYANIMATE_API_KEY needs the role admin."""
    with service_client("queues", url) as client:
        _show(client.resume_queue(model), as_json)


def _show(queue: Record, as_json: bool) -> None:
    typer.echo(json.dumps(queue, indent=2) if as_json else _line(queue))


def _line(queue: Record) -> str:
    workers = plural(queue["live_workers"], "worker")
    counts = f"{queue['waiting']} waiting  {queue['running']} running  {workers}"
    pause = queue.get("paused") or {}
    words = f"{pause['reason']}" if pause.get("reason") else ""
    state = queue.get("reason") or "running"
    return f"{queue['model']}  {counts}  {state}  {_printable(words)}".rstrip()


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
