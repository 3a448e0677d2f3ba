"""A training in several processes on one machine, launched by torch."""

import sys
import uuid

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

STOPPED = 2


def launch_processes(processes: int, arguments: list[str]) -> int:
    """Runs `python -m easyanimate.training` with `arguments` in several processes.

    Returns the exit code of the first process that failed, or 0. All of them receive SIGINT and SIGTERM; torch then
    waits 30 seconds for them to save.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "easyanimate.training", *arguments)
    except ChildFailedError as error:
        _, first = error.get_first_failure()
        return first.exitcode if first.exitcode > 0 else STOPPED
    except SignalException:
        return STOPPED
    return 0
