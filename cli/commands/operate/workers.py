"""`easyanimate workers`: lists the workers of a service and drains them, with a key of an operator."""

import json
import time
from typing import Annotated

import typer

from cli.client.client import Client, Record
from cli.client.errors import ClientError
from cli.commands.remote.connection import FollowingStopped, Url, service_client
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
        workers, errors = _drain_all(client, names)
        if wait:
            workers = _wait_for_all(client, workers)
        _print_drains(workers, as_json)
        for error in errors[1:]:
            typer.echo(str(error), err=True)
        if errors:
            raise errors[0]
        if unanswered := [worker["name"] for worker in workers if _drain_of(worker) == "unanswered"]:
            listed = ", ".join(unanswered)
            raise CommandError(f"{listed}: no answer; the host shows why. The job continues on another worker")


def _drain_all(client: Client, names: list[str]) -> tuple[list[Record], list[ClientError]]:
    """The workers that are requested to drain. One that is refused does not stop the others."""
    workers: list[Record] = []
    errors: list[ClientError] = []
    for name in dict.fromkeys(names):
        try:
            workers.append(client.drain_worker(name))
        except ClientError as error:
            errors.append(error)
    return workers, errors


def _wait_for_all(client: Client, workers: list[Record]) -> list[Record]:
    """The workers after their ends. Raises FollowingStopped after Ctrl-C, which stops no drain."""
    try:
        return [_wait_for_end(client, worker) for worker in workers]
    except KeyboardInterrupt as error:
        message = "no longer waiting; the workers still drain. `easyanimate workers list` shows them"
        raise FollowingStopped(message) from error


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
