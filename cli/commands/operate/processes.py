"""`easyanimate api`, `worker` and `keeper`: each runs one process of the service, as `python -m` does."""

import runpy


def _run(module: str) -> None:
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def api() -> None:
    """Run one front end. Its settings are environment variables (EASYANIMATE_…)."""
    _run("service")


def worker() -> None:
    """Run one worker. Its settings are environment variables (EASYANIMATE_…)."""
    _run("worker")


def keeper() -> None:
    """Run one keeper, which requeues lost jobs and delivers webhooks."""
    _run("worker.keeper")
