"""The faults of the scenarios, each with the action that injects it and the action that repairs it."""

import signal
from collections.abc import Iterator

from tests.faults.installation import Installation, has_ended, is_stopped, send, wait_until
from tests.faults.scenario import Action, Fault, Hits
from tests.faults.tcp_proxy import Mode
from tests.integration.jobs.storage import faulty_wire

ALL = ("api", "keeper", "worker")
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


def no_repair(installation: Installation) -> None:
    """The repair of a fault that the service repairs without help."""


def kill_workers(installation: Installation) -> None:
    """Kills each worker with SIGKILL."""
    for name in installation.worker_names:
        installation.kill(name)


def start_workers(installation: Installation) -> None:
    """Starts each worker again."""
    for name in installation.worker_names:
        installation.start_one(name)


def drain_workers(installation: Installation) -> None:
    """Sends SIGTERM to all workers and releases the held ones. Each finishes or releases its job."""
    for name in installation.worker_names:
        installation.signal(name, signal.SIGTERM)
    installation.resume()
    assert [installation.exit_code(name) for name in installation.worker_names] == [0] * installation.workers
    installation.signalled.update(installation.worker_names)


def signal_engines(number: signal.Signals) -> Action:
    """An action that sends a signal to each engine and waits for its end."""

    def inject(installation: Installation) -> None:
        for name in installation.worker_names:
            engines = installation.engines_of(name)
            send(engines, number)
            wait_until(lambda engines=engines: all(map(has_ended, engines)), f"the engine of {name} has ended")
            installation.signalled[name] += len(engines)

    return inject


def stop_workers(installation: Installation) -> None:
    """Stops each worker with SIGSTOP and waits until all are stopped."""
    for name in installation.worker_names:
        installation.signal(name, signal.SIGSTOP)
    wait_until(
        lambda: all(is_stopped(installation.pid(name)) for name in installation.worker_names), "all workers are stopped"
    )
    installation.signalled.update(installation.worker_names)


def replace_stopped_workers(installation: Installation) -> None:
    """Continues the stopped workers after new workers have leased their jobs."""
    stopped = [installation.children[name] for name in installation.worker_names]
    wait_until(lambda: installation.store.running() == 0, "the stopped workers have lost their jobs")
    start_workers(installation)
    wait_until(lambda: installation.store.running() > 0, "new workers have leased the jobs")
    for child in stopped:
        assert child.process is not None
        child.process.send_signal(signal.SIGCONT)
    for child in stopped:
        child.terminate()
        assert child.process is not None
        assert child.process.wait(120) == 0


def kill_redis(installation: Installation) -> None:
    """Kills Redis with SIGKILL."""
    installation.kill_redis()


def start_redis(installation: Installation) -> None:
    """Starts Redis again with its stored data."""
    installation.redis.start()


def kill_and_start(name: str) -> Action:
    """An action that kills a process with SIGKILL and starts it again."""

    def inject(installation: Installation) -> None:
        installation.kill(name)
        installation.start_one(name)

    return inject


def disturb_redis(mode: Mode, *kinds: str) -> Action:
    """An action that gives the connections to Redis a fault; `kinds` are the kinds of processes, all by default."""

    def inject(installation: Installation) -> None:
        for name, proxy in installation.redis_proxies.items():
            if name.partition("-")[0] in (kinds or ALL):
                proxy.inject(mode)

    return inject


def refuse_commands(reply: bytes) -> Action:
    """Every command of all processes gets this reply."""

    def inject(installation: Installation) -> None:
        for proxy in installation.redis_proxies.values():
            proxy.refuse(reply)

    return inject


def disturb_s3(mode: Mode) -> Action:
    """An action that gives all connections to S3 a fault."""

    def inject(installation: Installation) -> None:
        for proxy in installation.s3_proxies.values():
            proxy.inject(mode)

    return inject


def repair_connections(installation: Installation) -> None:
    """Ends the faults of all connections to Redis and S3, and of responses of S3."""
    for proxy in (*installation.redis_proxies.values(), *installation.s3_proxies.values()):
        proxy.repair()
    installation.wire.permanent = ()


def s3_response_faults(*faults: faulty_wire.Fault) -> Action:
    """Injects faults into the S3 responses of the workers."""

    def inject(installation: Installation) -> None:
        installation.wire.permanent = faults

    return inject


def skew(seconds: float) -> Action:
    """An action that moves the clocks of the keeper and the workers by some seconds."""

    def inject(installation: Installation) -> None:
        installation.skew(seconds)

    return inject


def of_process(name: str) -> Hits:
    """The hits of a fault of one process, which are those of each job."""
    return lambda installation, worker, job_id: installation.signalled[name]


def of_redis_connections(installation: Installation, worker: str, job_id: str) -> int:
    """Number of times that the fault met a connection of the worker to Redis."""
    return installation.redis_proxies[worker].hits


def of_s3_connections(installation: Installation, worker: str, job_id: str) -> int:
    """Number of times that the fault met a connection of the worker to S3."""
    return installation.s3_proxies[worker].hits


def of_s3_responses(installation: Installation, worker: str, job_id: str) -> int:
    """Number of responses of S3 about the job that the fault changed."""
    return sum(job_id in path for path in installation.wire.hit_paths)


def of_clock(installation: Installation, worker: str, job_id: str) -> int:
    """Number of times that the worker read the skewed clock."""
    return installation.wrong_times(worker)


BUSY = s3_response_faults(*(faulty_wire.Fault(method, status=503, code="SlowDown") for method in METHODS))
FULL = s3_response_faults(
    *(faulty_wire.Fault(method, status=507, code="InsufficientStorage") for method in ("PUT", "POST"))
)
TRUNCATES = s3_response_faults(faulty_wire.Fault("PUT", cut_upload=True), faulty_wire.Fault("GET", cut_download_at=10))
FLIPS_BITS = s3_response_faults(faulty_wire.Fault("PUT", flip_upload=True))


def _redis(name: str, mode: Mode, seconds: float, *kinds: str) -> Fault:
    return Fault(name, disturb_redis(mode, *kinds), repair_connections, seconds, hits=of_redis_connections)


def _s3(name: str, inject: Action, seconds: float, hits: Hits = of_s3_responses) -> Fault:
    return Fault(name, inject, repair_connections, seconds, costs_no_attempt=True, hits=hits)


# Replies to every command, as servers, hosted services and balancers send them.
REFUSALS = {
    "BUSY": b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "LOADING": b"-LOADING Redis is loading the dataset in memory",
    "MASTERDOWN": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "READONLY": b"-READONLY You can't write against a read only replica.",
    "NOREPLICAS": b"-NOREPLICAS Not enough good replicas to write.",
    "OOM": b"-OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF": b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "NOPERM": b"-NOPERM User app has no permissions to run the 'eval' command",
    "CLUSTERDOWN": b"-CLUSTERDOWN The cluster is down",
    "MOVED": b"-MOVED 3999 127.0.0.1:6381",
    "max clients": b"-ERR max number of clients reached",
    "a quota": b"-ERR max daily request limit exceeded. Limit: 10000, Usage: 10001.",
    "a balancer's page": b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<html>busy</html>",
}


def _refused(name: str, reply: bytes) -> Fault:
    title = f"Redis replies {name} for 5 s"
    return Fault(title, refuse_commands(reply), repair_connections, 5.0, hits=of_redis_connections)


WORKER_KILLED = Fault("worker SIGKILL", kill_workers, start_workers)
WORKER_STOPPED = Fault("worker SIGSTOP, SIGCONT after it was replaced", stop_workers, replace_stopped_workers)
WORKER_DRAINED = Fault("worker SIGTERM", drain_workers, start_workers, costs_no_attempt=True)
REDIS_CUT = _redis("Redis cut off for 5 s", Mode.CUT, 5.0)
S3_BUSY = _s3("S3 answers 503 for 5 s", BUSY, 5.0)
REDIS_BUSY = _refused("BUSY", REFUSALS["BUSY"])
REDIS_OUTAGE = _redis("Redis cut off for 10 min", Mode.CUT, 600.0)


def all_faults() -> Iterator[Fault]:
    """The faults that are injected while jobs are in all phases."""
    yield WORKER_KILLED
    yield WORKER_STOPPED
    yield WORKER_DRAINED
    yield Fault("engine SIGKILL", signal_engines(signal.SIGKILL), no_repair)
    yield Fault("engine SIGSEGV", signal_engines(signal.SIGSEGV), no_repair)
    for name in ("keeper", "api"):
        yield Fault(f"{name} SIGKILL", kill_and_start(name), no_repair, costs_no_attempt=True, hits=of_process(name))
    yield Fault("Redis SIGKILL", kill_redis, start_redis, hits=of_process("redis"))
    yield REDIS_CUT
    yield _redis("Redis cut off for 60 s", Mode.CUT, 60.0)
    yield _redis("workers cut off from Redis for 8 s", Mode.RESET, 8.0, "worker")
    yield _redis("Redis behind a black hole for 8 s", Mode.SILENT, 8.0)
    yield _redis("Redis slow for 10 s", Mode.SLOW, 10.0)
    yield from (_refused(name, reply) for name, reply in REFUSALS.items())
    for name, seconds in (("an hour ahead", 3600.0), ("two hours back", -7200.0)):
        jump = f"clocks of workers and keeper jump {name} for 5 s"
        yield Fault(jump, skew(seconds), skew(0.0), 5.0, costs_no_attempt=True, hits=of_clock)
    yield _s3("S3 cut off for 5 s", disturb_s3(Mode.CUT), 5.0, of_s3_connections)
    yield _s3("S3 resets lines for 5 s", disturb_s3(Mode.RESET), 5.0, of_s3_connections)
    yield _s3("S3 behind a black hole for 5 s", disturb_s3(Mode.SILENT), 5.0, of_s3_connections)
    yield _s3("S3 slow for 10 s", disturb_s3(Mode.SLOW), 10.0, of_s3_connections)
    yield S3_BUSY
    yield _s3("S3 full for 5 s", FULL, 5.0)
    yield _s3("S3 truncates for 5 s", TRUNCATES, 5.0)
    yield _s3("S3 flips bits for 5 s", FLIPS_BITS, 5.0)
