"""`easyanimate rebuild`: finished videos are known again after Redis has lost everything."""

import sys
from typing import Annotated

import typer

from cli.settings import StackSettings


def rebuild(
    owner: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Give the videos of one owner to another, as often as needed."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Restore finished jobs from storage into a Redis that lost them. It may be run again; nothing is written over."""
    from pydantic import ValidationError

    from cli.stack.redis_server import address_of
    from jobs.errors import JobsError
    from jobs.redis.connection import connect
    from jobs.settings import Settings
    from jobs.storage.factory import open_storage
    from jobs.store.keeper.rebuild import rebuild_records as rebuild_jobs
    from jobs.store.transitions import JobTable

    owners = _pairs(owner or [])
    try:
        settings = Settings()
        own = None if StackSettings().redis_url else address_of(settings.data_dir / "redis")
        with connect(own or settings.redis_url.get_secret_value(), retries=2) as redis:
            told = rebuild_jobs(JobTable(redis), open_storage(settings), owners, dry_run=dry_run)
    except (ValidationError, JobsError) as error:
        raise _ended(str(error)) from error
    typer.echo(f"{'would restore' if dry_run else 'restored'} {len(told.restored)} finished videos")
    for name in sorted({job.owner for job in told.restored}):
        typer.echo(f"  {sum(job.owner == name for job in told.restored)} of {name}")
    typer.echo(f"{len(told.known)} were known already, {len(told.expired)} have expired")
    for job_id, why in told.unreadable.items():
        typer.echo(f"cannot restore {job_id}: {why}")
    for job_id in told.unfinished:
        typer.echo(f"cannot restore {job_id}: it had not been finished; its caller has to ask again")
    typer.echo(
        "Not restored, for it was in Redis alone: jobs that waited, ran or failed, API keys, limits used, webhooks on "
        "their way, idempotency keys, files sent ahead, the stories of attempts."
    )


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not (old and equals and new):
            raise _ended(f"--owner takes OLD=NEW, got {text!r}")
        pairs[old] = new
    return pairs


def _ended(sentence: str) -> typer.Exit:
    sys.stderr.write(f"easyanimate rebuild: {sentence}\n")
    return typer.Exit(1)
