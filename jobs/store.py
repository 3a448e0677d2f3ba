"""The store: what may happen to a job, by whom. Every method may raise QueueUnavailable when Redis does not answer."""

from jobs.callers_side import CallersSide
from jobs.keepers_side import KeepersSide


class JobStore(CallersSide, KeepersSide):
    """All jobs, for everybody: what callers, workers and keepers do with them."""
