"""`easyanimate rebuild`: restores the records of finished videos after a loss of Redis, and takes the storage over."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import RefusedCommand, Unavailable, exit_on_error
from cli.options import AsJson
from cli.quantities import plural

if TYPE_CHECKING:
    from jobs.store.keeper.rebuild import Rebuilt

NOT_RESTORED = (
    "Not restored, because only Redis had it: queued, running and failed jobs, API keys, used limits, pending "
    "webhooks, idempotency keys, uploaded files, attempt logs."
)


def rebuild(
    owner: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Assign the videos of one owner to another. Can be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes without making them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore finished jobs from storage into Redis, which then owns the storage.

    It can be repeated; existing records are not overwritten.
    """
    from jobs.errors import JobsError

    with exit_on_error("rebuild", JobsError):
        result, is_owned = _rebuild(_pairs(owner or []), dry_run)
    if as_json:
        typer.echo(json.dumps(_values(result, is_owned, dry_run), indent=2))
        return
    for line in _lines(result, is_owned, dry_run):
        typer.echo(line)


def _rebuild(owners: dict[str, str], dry_run: bool) -> "tuple[Rebuilt, bool]":
    """The result, and whether the storage belonged to this Redis before."""
    from cli.stack.redis_server import find_redis, open_redis
    from jobs.invalid_settings import InvalidSettings
    from jobs.settings import Settings
    from jobs.storage.factory import open_storage
    from jobs.store.keeper.ownership import Ownership, StorageOwnership
    from jobs.store.keeper.rebuild import rebuild_records
    from jobs.store.transitions import JobTable

    try:
        settings = Settings.read()
    except InvalidSettings as error:
        raise RefusedCommand(str(error)) from error
    service_url = find_redis(settings.data_dir)
    try:
        with open_redis(service_url or settings.redis_url.get_secret_value(), changes=not dry_run) as redis:
            table, storage = JobTable(redis), open_storage(settings)
            ownership = StorageOwnership(table, storage)
            is_owned = ownership.read() is Ownership.OWN
            result = rebuild_records(table, storage, owners, dry_run=dry_run)
            if not dry_run:
                ownership.adopt()
    except Unavailable as error:
        if service_url is not None:
            raise
        hint = "start it with `easyanimate up`, or set EASYANIMATE_REDIS_URL"
        raise Unavailable(f"no service runs with the data folder {settings.data_dir}; {hint}") from error
    return result, is_owned


def _values(result: "Rebuilt", is_owned: bool, dry_run: bool) -> dict[str, Any]:
    """The result as values of JSON."""
    return {
        "dry_run": dry_run,
        "restored": [{"id": job.id, "owner": job.owner} for job in result.restored],
        "existing": result.existing,
        "expired": result.expired,
        "unreadable": result.unreadable,
        "unfinished": result.unfinished,
        "storage_was_owned": is_owned,
    }


def _lines(result: "Rebuilt", is_owned: bool, dry_run: bool) -> Iterator[str]:
    """The result as text."""
    yield f"{'would restore' if dry_run else 'restored'} {plural(len(result.restored), 'finished video')}"
    for name in sorted({job.owner for job in result.restored}):
        yield f"  {sum(job.owner == name for job in result.restored)} of {name}"
    yield f"{len(result.existing)} exist already, {len(result.expired)} have expired"
    for job_id, reason in result.unreadable.items():
        yield f"cannot restore {job_id}: {reason}"
    for job_id in result.unfinished:
        yield f"cannot restore {job_id}: it was not finished; the client must submit it again"
    if not is_owned:
        verb = "would belong" if dry_run else "belongs"
        yield f"The storage {verb} to this Redis now: its keeper deletes there what it does not need."
    yield NOT_RESTORED


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not (old and equals and new):
            raise RefusedCommand(f"--owner takes OLD=NEW, got {text!r}")
        pairs[old] = new
    return pairs
