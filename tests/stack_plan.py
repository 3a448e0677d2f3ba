"""The plan of a local stack for tests: one folder, the small model, and a free port."""

from collections.abc import Mapping
from pathlib import Path

from cli.stack.ports import free_port
from cli.stack.stack import StackPlan

SMALL_MODEL = "easyanimate-v3-tiny"


def stack_plan(folder: Path, models_dir: Path, environment: Mapping[str, str]) -> StackPlan:
    """A service with its data and logs in `folder`."""
    return StackPlan(
        data_dir=folder / "data",
        models_dir=models_dir,
        model=SMALL_MODEL,
        port=free_port(),
        logs=folder / "logs",
        environment=dict(environment),
    )
