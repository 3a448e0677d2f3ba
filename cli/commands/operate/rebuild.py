"""`easyanimate rebuild`: restores the records of finished videos after a loss of Redis, and takes the storage over."""

from typing import Annotated

import typer

from cli.errors import RefusedCommand, exit_on_error


def rebuild(
    owner: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Assign the videos of one owner to another. Can be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes without making them.")] = False,
) -> None:
    """Restore finished jobs from storage into Redis, which then owns the storage.

    It can be repeated; existing records are not overwritten.
    """

    from cli.stack.redis_server import find_redis, open_redis
    from jobs.errors import JobsError
    from jobs.settings import InvalidSettings, Settings
    from jobs.storage.factory import open_storage
    from jobs.store.keeper.ownership import Ownership, StorageOwnership
    from jobs.store.keeper.rebuild import rebuild_records as rebuild_jobs
    from jobs.store.transitions import JobTable

    with exit_on_error("rebuild", JobsError):
        owners = _pairs(owner or [])
        try:
            settings = Settings.read()
        except InvalidSettings as error:
            raise RefusedCommand(str(error)) from error
        url = find_redis(settings.data_dir) or settings.redis_url.get_secret_value()
        with open_redis(url, changes=not dry_run) as redis:
            table, storage = JobTable(redis), open_storage(settings)
            ownership = StorageOwnership(table, storage)
            is_owned = ownership.read() is Ownership.OWN
            result = rebuild_jobs(table, storage, owners, dry_run=dry_run)
            if not dry_run:
                ownership.adopt()
    typer.echo(f"{'would restore' if dry_run else 'restored'} {len(result.restored)} finished videos")
    for name in sorted({job.owner for job in result.restored}):
        typer.echo(f"  {sum(job.owner == name for job in result.restored)} of {name}")
    typer.echo(f"{len(result.existing)} exist already, {len(result.expired)} have expired")
    for job_id, reason in result.unreadable.items():
        typer.echo(f"cannot restore {job_id}: {reason}")
    for job_id in result.unfinished:
        typer.echo(f"cannot restore {job_id}: it was not finished; the client must submit it again")
    if not is_owned:
        verb = "would belong" if dry_run else "belongs"
        typer.echo(f"The storage {verb} to this Redis now: its keeper deletes there what it does not need.")
    typer.echo(
        "Not restored, because only Redis had it: queued, running and failed jobs, API keys, used limits, pending "
        "webhooks, idempotency keys, uploaded files, attempt logs."
    )


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not (old and equals and new):
            raise RefusedCommand(f"--owner takes OLD=NEW, got {text!r}")
        pairs[old] = new
    return pairs
