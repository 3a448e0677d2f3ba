"""`easyanimate models retire`: takes a model that no worker serves out of a service."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError, exit_on_error
from cli.options import AsJson

DataDir = Annotated[Path, typer.Option(envvar="EASYANIMATE_DATA_DIR", help="The data folder of the service.")]
DEFAULT_DIR = Path("data")


def retire(
    model: Annotated[str, typer.Argument(help="The full name, as GET /v1/models lists it.")],
    keep_jobs: Annotated[
        bool,
        typer.Option("--keep-jobs", help="Leave its waiting jobs in the queue, for a later worker of it."),
    ] = False,
    data_dir: DataDir = DEFAULT_DIR,
    as_json: AsJson = False,
) -> None:
    """Remove a model that no worker serves from the service; its waiting jobs fail with `model_retired`.

    A worker that announces the model brings it back.
    """
    from cli.stack.redis_server import find_redis, open_redis
    from jobs.errors import JobsError
    from jobs.queue.registry import Registry
    from jobs.store.keeper.recovery import KeeperJobs
    from jobs.store.transitions import JobTable

    with exit_on_error("models retire", JobsError):
        if (url := find_redis(data_dir)) is None:
            hint = "start it with `easyanimate up`, or set EASYANIMATE_REDIS_URL"
            raise CommandError(f"no service runs with the data folder {data_dir}; {hint}")
        with open_redis(url) as redis:
            if count := Registry(redis).retire(model, ends_jobs=not keep_jobs):
                raise CommandError(f"{model} has live workers ({count}); stop them, or wait 30 s after a crash")
            jobs, table = KeeperJobs(JobTable(redis)), JobTable(redis)
            ended = [] if keep_jobs else jobs.fail_retired(model)
            waiting = table.queue_depth(model)
    if as_json:
        typer.echo(json.dumps({"model": model, "ended": ended, "waiting": waiting}, indent=2))
        return
    typer.echo(f"{model} is retired")
    for job_id in ended:
        typer.echo(f"  {job_id} ended with model_retired")
    if waiting:
        typer.echo(f"  jobs that wait for it: {waiting}")
