"""`easyanimate api`, `worker`, `keeper`: one process of the service, the same as `python -m service`, `worker`, …"""

import runpy

import typer


def _run(module: str) -> None:
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def api() -> None:
    """Run one front end; its settings are in the environment (EASYANIMATE_…)."""
    _run("service")


def worker() -> None:
    """Run one worker; its settings are in the environment (EASYANIMATE_…)."""
    _run("worker")


def keeper() -> None:
    """Run one keeper: it requeues lost jobs and delivers webhooks."""
    _run("worker.keeper.__main__")


def add_processes(app: typer.Typer) -> None:
    """Add the three commands."""
    for command in (api, worker, keeper):
        app.command()(command)
