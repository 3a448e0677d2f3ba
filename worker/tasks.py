"""The task that tickets name. Only `python -m worker` carries out a ticket; any other RQ worker gets an error."""


def make_video(*_: str) -> None:
    """Refuses to run without a supervisor, which leases a job of the fair queue and owns the engine."""
    raise RuntimeError("Only a worker that was started by `python -m worker` makes videos.")
