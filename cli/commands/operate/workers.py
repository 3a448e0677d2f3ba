"""`easyanimate workers`: lists the workers of a service and drains them, with a key of an operator."""

import json
import time
from typing import Annotated

import typer

from cli.client import Client, Record
from cli.commands.remote.connection import Url, service_client
from cli.errors import CommandError
from cli.options import AsJson

app = typer.Typer(help="Workers of a service: list, drain.", no_args_is_help=True)

POLL_EVERY_S = 1.0
DRAIN = {
    "requested": "is requested to drain",
    "accepted": "drains",
    "unanswered": "does not answer",
    "ended": "has ended",
}


@app.command("list")
def list_(as_json: AsJson = False, url: Url = None) -> None:
    """List all workers: what each does, its models, its release, and how far its drain is.

    With keys, the key in EASYANIMATE_API_KEY needs the role admin.
    """
    with service_client("workers", url) as client:
        workers = client.workers()
    if as_json:
        typer.echo(json.dumps(workers, indent=2))
        return
    for worker in workers["data"]:
        typer.echo(_line(worker))
    if not workers["data"]:
        typer.echo("no workers; `python -m worker` starts one", err=True)


@app.command()
def drain(
    names: Annotated[list[str], typer.Argument(help="Names from `easyanimate workers list`.", show_default=False)],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the workers have ended.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Drain workers on any host, as SIGTERM does: each takes no more videos, and ends after its running one.

    With keys, the key in EASYANIMATE_API_KEY needs the role admin.
    """
    with service_client("workers", url) as client:
        workers = [client.drain_worker(name) for name in dict.fromkeys(names)]
        if wait:
            workers = [_wait_for_end(client, worker) for worker in workers]
        _print_drains(workers, as_json)
        if unanswered := [worker["name"] for worker in workers if _drain_of(worker) == "unanswered"]:
            listed = ", ".join(unanswered)
            raise CommandError(f"{listed} does not answer; its host shows why. Its job continues on another worker")


def _wait_for_end(client: Client, worker: Record) -> Record:
    """The worker after its end, or when it does not answer."""
    while _drain_of(worker) in ("requested", "accepted"):
        time.sleep(POLL_EVERY_S)
        worker = client.drain_worker(worker["name"])
    return worker


def _print_drains(workers: list[Record], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"data": workers}, indent=2))
        return
    for worker in workers:
        typer.echo(f"{worker['name']} {DRAIN.get(_drain_of(worker), _drain_of(worker))}")


def _drain_of(worker: Record) -> str:
    return str((worker.get("drain") or {}).get("state", ""))


def _line(worker: Record) -> str:
    loaded = set(worker["loaded_models"])
    models = ", ".join(f"{model}{' (loaded)' if model in loaded else ''}" for model in worker["models"])
    parts = [worker["name"], worker["state"], worker["video_id"], worker["version"], models]
    if worker["reason"] and worker["reason"] != worker["state"]:
        parts.append(worker["reason"])
    if worker["drain"]:
        parts.append(DRAIN.get(_drain_of(worker), _drain_of(worker)))
    return "  ".join(part for part in parts if part)
