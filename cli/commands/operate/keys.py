"""`easyanimate keys`: create, list and revoke the API keys of callers. They live in Redis: nothing is restarted."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.settings import StackSettings
from cli.stack.redis_server import address_of
from jobs.access.api_keys import ApiKey, ApiKeyStore
from jobs.model.limits import Limits

app = typer.Typer(help="API keys of callers: create, list, revoke.", no_args_is_help=True)

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="EASYANIMATE_DATA_DIR",
        help="Whose own Redis to talk to, where EASYANIMATE_REDIS_URL is not set; `easyanimate up` must be running.",
    ),
]
Most = Annotated[int | None, typer.Option(min=1)]
DEFAULT_DIR = Path("data")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as a program's name.")],
    owner: Annotated[
        str | None, typer.Option(help="Whose the videos are; several keys may share an owner. The name, if not said.")
    ] = None,
    requests_per_minute: Most = None,
    queued_jobs: Most = None,
    running_jobs: Most = None,
    pixel_frames_per_day: Most = None,
    data_dir: DataDir = DEFAULT_DIR,
) -> None:
    """Make a key and print it. It is shown this one time only. A limit that is not given is the service's own."""
    limits = Limits(
        requests_per_minute=requests_per_minute,
        queued_jobs=queued_jobs,
        running_jobs=running_jobs,
        pixel_frames_per_day=pixel_frames_per_day,
    )
    with _ring(data_dir) as ring:
        key, secret = ring.create(name, owner or name, limits)
    typer.echo(f"{_line(key)}\nthis is the key; it is not stored and cannot be shown again:", err=True)
    typer.echo(secret)


@app.command("list")
def list_(data_dir: DataDir = DEFAULT_DIR) -> None:
    """Show all keys, the revoked ones too, without their secrets."""
    with _ring(data_dir) as ring:
        keys = ring.all()
    if not keys:
        typer.echo("no keys; `easyanimate keys create NAME` makes one")
    for key in keys:
        typer.echo(_line(key))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `easyanimate keys list` shows it: key_…")],
    data_dir: DataDir = DEFAULT_DIR,
) -> None:
    """End a key: a second later no front end takes it any more. The videos stay their owner's."""
    with _ring(data_dir) as ring:
        typer.echo(_line(ring.revoke(key_id)))


@contextmanager
def _ring(data_dir: Path) -> Iterator[ApiKeyStore]:
    """The keys of the service meant; what goes wrong ends the command with a sentence."""
    from pydantic import ValidationError

    from jobs.errors import JobsError
    from jobs.redis.connection import connect

    url = StackSettings().redis_url
    address = url.get_secret_value() if url else address_of(data_dir / "redis")
    if address is None:
        raise _ended(f"no service runs with the data folder {data_dir}; start it, or set EASYANIMATE_REDIS_URL")
    redis = connect(address, retries=1)
    try:
        yield ApiKeyStore(redis)
    except ValidationError as error:
        fault = error.errors()[0]
        raise _ended(f"{fault['loc'][0]}: {fault['msg']}") from error
    except JobsError as error:
        raise _ended(str(error)) from error
    finally:
        redis.close()


def _ended(sentence: str) -> typer.Exit:
    typer.echo(f"easyanimate keys: {sentence}", err=True)
    return typer.Exit(1)


def _line(key: ApiKey) -> str:
    limits = ", ".join(f"{name} {most}" for name, most in key.limits.model_dump(exclude_none=True).items())
    state = f"revoked {_day(key.revoked_at)}" if key.revoked_at else "active"
    return f"{key.id}  {key.name}  owner {key.owner}  created {_day(key.created_at)}  {state}  {limits}".rstrip()


def _day(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")
