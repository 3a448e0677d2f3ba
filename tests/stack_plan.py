"""The embedded service as tests start it: everything below one folder, the small model, a free port."""

from collections.abc import Mapping
from pathlib import Path

from cli.stack.ports import free_port
from cli.stack.stack import StackPlan

SMALL_MODEL = "easyanimate-v3-tiny"


def stack_plan(folder: Path, models_dir: Path, environment: Mapping[str, str]) -> StackPlan:
    """A service whose data and logs lie in `folder`."""
    return StackPlan(
        data_dir=folder / "data",
        models_dir=models_dir,
        model=SMALL_MODEL,
        port=free_port(),
        logs=folder / "logs",
        environment=dict(environment),
    )
