"""`easyanimate keys`: creates, lists and revokes API keys in Redis, without a restart of the service."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import RefusedCommand, Unavailable, exit_on_error
from cli.options import AsJson
from cli.quantities import plural
from cli.stack.redis_server import find_redis, open_redis
from jobs.access.api_keys import ApiKey, ApiKeyStore, Role
from jobs.model.limits import Limits

app = typer.Typer(help="API keys of callers: create, list, revoke.", no_args_is_help=True)

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="EASYANIMATE_DATA_DIR",
        help="The data folder of a running `easyanimate up`; used without EASYANIMATE_REDIS_URL.",
    ),
]
LimitOption = Annotated[int | None, typer.Option(min=1)]
DEFAULT_DIR = Path("data")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The purpose of the key, such as a program's name.")],
    owner: Annotated[
        str | None, typer.Option(help="The owner of the videos; several keys can share one. Default: the name.")
    ] = None,
    role: Annotated[Role, typer.Option(help="admin: may also pause queues, and list and drain workers.")] = Role.CALLER,
    requests_per_minute: LimitOption = None,
    queued_jobs: LimitOption = None,
    running_jobs: LimitOption = None,
    pixel_frames_per_day: LimitOption = None,
    data_dir: DataDir = DEFAULT_DIR,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it once. Limits that are not set are those of the service."""
    limits = Limits(
        requests_per_minute=requests_per_minute,
        queued_jobs=queued_jobs,
        running_jobs=running_jobs,
        pixel_frames_per_day=pixel_frames_per_day,
    )
    with _key_store(data_dir) as store:
        key, secret = store.create(name, owner or name, limits, role)
    if as_json:
        typer.echo(json.dumps({**_values(key), "key": secret}, indent=2))
        return
    typer.echo(f"{_line(key)}\nthis is the key; it is not stored and cannot be shown again:", err=True)
    typer.echo(secret)


@app.command("list")
def list_(data_dir: DataDir = DEFAULT_DIR, as_json: AsJson = False) -> None:
    """List all keys, also revoked ones, without their secrets."""
    with _key_store(data_dir, changes=False) as store:
        keys, unreadable = store.all(), store.count_unreadable()
    if unreadable:
        typer.echo(f"{plural(unreadable, 'key')} cannot be read by this release: their callers are refused", err=True)
    if as_json:
        typer.echo(json.dumps({"data": [_values(key) for key in keys], "unreadable": unreadable}, indent=2))
        return
    if not keys and not unreadable:
        typer.echo("no keys; `easyanimate keys create NAME` creates one")
    for key in keys:
        typer.echo(_line(key))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id from `easyanimate keys list`: key_…")],
    data_dir: DataDir = DEFAULT_DIR,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; after one second no front end accepts it. The videos remain with their owner."""
    with _key_store(data_dir) as store:
        key = store.revoke(key_id)
    typer.echo(json.dumps(_values(key), indent=2) if as_json else _line(key))


@contextmanager
def _key_store(data_dir: Path, *, changes: bool = True) -> Iterator[ApiKeyStore]:
    """The API keys of the service; an error ends the command with one sentence."""
    from pydantic import ValidationError

    from jobs.errors import JobsError

    with exit_on_error("keys", JobsError):
        url = find_redis(data_dir)
        if url is None:
            hint = "start it with `easyanimate up`, or set EASYANIMATE_REDIS_URL"
            raise Unavailable(f"no service runs with the data folder {data_dir}; {hint}")
        try:
            with open_redis(url, changes=changes) as redis:
                yield ApiKeyStore(redis)
        except ValidationError as error:
            fault = error.errors()[0]
            raise RefusedCommand(f"{fault['loc'][0]}: {fault['msg']}") from error


def _values(key: ApiKey) -> dict[str, Any]:
    """A key without its secret, as values of JSON."""
    return key.model_dump(mode="json", include={"id", "name", "owner", "role", "created_at", "revoked_at", "limits"})


def _line(key: ApiKey) -> str:
    limits = ", ".join(f"{name} {limit}" for name, limit in key.limits.model_dump(exclude_none=True).items())
    state = f"revoked {_day(key.revoked_at)}" if key.revoked_at else "active"
    role = "" if key.role is Role.CALLER else f"  role {key.role}"
    return f"{key.id}  {key.name}  owner {key.owner}{role}  created {_day(key.created_at)}  {state}  {limits}".rstrip()


def _day(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")
