"""Names of the Redis keys that several modules use."""

from jobs.model.states import Priority
from jobs.redis.list_places import ListKeys


def subscribers_key(owner: str, event_type: str) -> str:
    """The set of a caller's endpoints that subscribe to events of this type."""
    return f"webhooks:{event_type}:of:{owner}"


def unserved_key(model: str) -> str:
    """The unix second since which no worker serves this model; absent while one does."""
    return f"model:{model}:unserved"


def paused_key(model: str) -> str:
    """The hash of the pause of a model's queue; absent while it is not paused."""
    return f"model:{model}:paused"


def waiting_key(model: str, priority: Priority) -> str:
    """The sorted set of a model's waiting jobs of one priority by virtual start time."""
    return f"queue:{model}:{priority}"


def waiting_keys(model: str) -> list[str]:
    """The sorted sets of a model's waiting jobs, one for each priority."""
    return [waiting_key(model, priority) for priority in Priority]


def preempted_key(model: str) -> str:
    """The set of the preempted jobs of a model, next in their priorities; it may have ids of jobs that do not wait."""
    return f"queue:{model}:preempted"


CARDS_KEY = "models"  # hash: model name -> card
RETIRED_KEY = "models:retired"  # sorted set: model name -> unix second of its retirement


def workers_key(model: str) -> str:
    """The sorted set of a model's workers by the unix second at which their entry expires."""
    return f"model:{model}:workers"


def loaded_key(model: str) -> str:
    """The sorted set of the workers that have the model loaded, likewise."""
    return f"model:{model}:loaded"


def vocabulary_key(model: str) -> str:
    """The hash of a model's vocabulary (`jobs/queue/vocabularies.py`); absent until a worker announces one."""
    return f"model:{model}:vocabulary"


WORKERS_KEY = "models:workers"  # hash: name of a worker -> its entry
WORKERS_EXPIRY_KEY = "models:workers:expiry"  # sorted set: name of a worker -> unix second at which it counts as lost


def drain_key(worker: str) -> str:
    """The unix second at which an operator requested a worker to drain; absent without a request."""
    return f"models:drain:{worker}"


INSTALLATION_KEY = "installation"  # hash: the mark of `jobs/store/keeper/ownership.py`


def idle_key(model: str) -> str:
    """The sorted set of the workers that take no jobs of a model: `reason worker`, likewise."""
    return f"model:{model}:idle"


COUNTERS_KEY = "tally"  # hash: JSON of [name, label, ...] -> number
UNREADABLE_KEY = "unreadable"  # sorted set: kind and id of a value that cannot be read -> unix second of its report

BARRIER_KEY = "barrier"  # what a connection writes before it waits for the disk
PREEMPTIONS_KEY = "jobs:preemptions"  # hash: id of an urgent job -> id of the running job that is asked for its worker
LEASES_KEY = "jobs:leases"  # sorted set: running job id -> unix second at which its lease expires


def record_key(job_id: str) -> str:
    """The hash that holds a job's record."""
    return f"job:{job_id}"


def events_key(job_id: str) -> str:
    """The stream of a job's events. The first change creates it: a stream takes 4 kB, and many jobs wait."""
    return f"job:{job_id}:events"


def change_channel(job_id: str) -> str:
    """The channel on which changes of this job are published."""
    return f"job:{job_id}:news"


def acceptance_key(job_id: str) -> str:
    """Whether a job that was not on disk in time was accepted by a repetition or withdrawn; absent for most jobs."""
    return f"job:{job_id}:acceptance"


def index_key(owner: str, status: str | None = None) -> str:
    """The sorted set of a caller's jobs, or of those with one public status, by time of creation."""
    return f"jobs:{status}:of:{owner}" if status else f"jobs:of:{owner}"


def video_list(owner: str) -> ListKeys:
    """The list of a caller's jobs."""
    return ListKeys(index_key(owner), f"jobs:gone:of:{owner}")


def delivery_key(delivery_id: str) -> str:
    """The hash of a webhook delivery."""
    return f"delivery:{delivery_id}"


def tries_key(delivery_id: str) -> str:
    """The list of the attempts at a delivery."""
    return f"delivery:{delivery_id}:tries"


def ledger_key(job_id: str) -> str:
    """The sorted set of a job's deliveries, by time."""
    return f"job:{job_id}:deliveries"


def webhook_gone_key(job_id: str) -> str:
    """Set when the receiver named in the request has replied 410 Gone."""
    return f"job:{job_id}:webhook_gone"


WAKEUP_LIST = "outbox:bell"  # list: gets an item with every new row of the outbox


def lane_key(lane: str) -> str:
    """The sorted set of the deliveries of a lane, by the time at which they are due."""
    return f"outbox:lane:{lane}"


DUE_KEY = "outbox:due"  # sorted set: lane -> unix second at which its first delivery is due
# The first keys of each script of the outbox. Two of them are the beginnings of keys.
OUTBOX_KEYS = (lane_key(""), DUE_KEY, WAKEUP_LIST, delivery_key(""))

DEADLINES_KEY = "jobs:deadlines"  # sorted set: id of a job that has not ended -> unix second


WINDOW_OWNERS_KEY = "windows:owners"  # set: callers who have stored windows


def windows_key(owner: str) -> str:
    """The sorted set of a caller's stored windows (`jobs/storage/windows.py`), by the time of their storage."""
    return f"windows:of:{owner}"


def window_holders_key(name: str) -> str:
    """The set of the jobs that have files of the window with this name."""
    return f"windows:in:{name}"


def shared_jobs_key(work: str) -> str:
    """The sorted set of the jobs of the same work that have not ended, by time of creation."""
    return f"shared:jobs:{work}"


def shared_run_key(work: str) -> str:
    """The job that runs for all jobs of the same work; it expires with the lease of the run."""
    return f"shared:run:{work}"


def shared_end_key(work: str) -> str:
    """The job whose result or failure the other jobs of the same work get."""
    return f"shared:end:{work}"


def shared_stop_key(work: str) -> str:
    """The job that was cancelled or late, from whose checkpoints another job of the same work continues."""
    return f"shared:stop:{work}"


def attempts_key(job_id: str) -> str:
    """The stream of the attempt log of a job."""
    return f"job:{job_id}:attempts"


def owner_waiting_key(owner: str) -> str:
    """The sorted set of a caller's waiting jobs: infinity, or the unix second at which a reservation expires."""
    return f"waiting:of:{owner}"


def owner_running_key(owner: str) -> str:
    """The set of a caller's running jobs."""
    return f"running:of:{owner}"
