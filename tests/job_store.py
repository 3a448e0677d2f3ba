"""All operations on jobs in one object, for tests; the product builds one class for each actor."""

from redis import Redis

from jobs.model.job import Job
from jobs.queue import fair_queue
from jobs.queue.load import Load
from jobs.redis.connection import DEFAULT_LEASE_S
from jobs.redis.keys import attempts_key, index_key
from jobs.store.attempt_log import Attempt, parse_lines
from jobs.store.callers.submission import CallerJobs
from jobs.store.keeper.recovery import KeeperJobs
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import JobTable


class JobStore:
    """The jobs of callers, workers and keepers over one table."""

    def __init__(self, redis: Redis, *, lease_s: float = DEFAULT_LEASE_S) -> None:
        self.redis = redis
        self.table = table = JobTable(redis, lease_s=lease_s)
        self.now, self.get, self.running, self.queue_depth = table.now, table.get, table.running, table.queue_depth
        self.callers = callers = CallerJobs(table)
        self.submit_all, self.cancel, self.delete = callers.submit_all, callers.cancel, callers.delete
        self.get_owned, self.update_waiting = callers.get_owned, callers.update_waiting
        self.workers = workers = WorkerJobs(table)
        self.first_waiting, self.lease, self.add_log = workers.first_waiting, workers.lease, workers.add_log
        self.heartbeat, self.report = workers.heartbeat, workers.report
        self.record_preview, self.record_segment = workers.record_preview, workers.record_segment
        self.complete, self.fail = workers.complete, workers.fail
        self.release, self.retry, self.preempt = workers.release, workers.retry, workers.preempt
        self.keepers = keepers = KeeperJobs(table)
        self.overdue, self.recover, self.expire = keepers.overdue, keepers.recover, keepers.expire
        self.expire_late, self.reconcile_tickets = keepers.expire_late, keepers.reconcile_tickets

    def submit(self, job: Job) -> Job:
        """Submits one job."""
        self.submit_all([job])
        return job

    def newest(self, owner: str, limit: int) -> list[Job]:
        """The latest jobs of a caller, newest first."""
        return [self.get(job_id.decode()) for job_id in self.redis.zrevrange(index_key(owner), 0, limit - 1)]

    def attempts(self, job_id: str) -> list[Attempt]:
        """Every attempt at this job, in order."""
        return parse_lines(self.redis.xrange(attempts_key(job_id)))

    def load(self, model: str) -> Load:
        """The load of a model."""
        return self.table.load(model)

    def queue_position(self, job: Job) -> int | None:
        """How many jobs are before this one; None if it does not wait."""
        command = fair_queue.position_command(job.request.model, job.priority, job.id)
        position = fair_queue.parse_position(self.redis.eval(*command))
        return position.position if position else None
