"""The faults of the scenarios, each with the action that injects it and the action that repairs it."""

import signal
from collections.abc import Iterator

from tests.faults.installation import Installation, is_stopped, send, wait_until
from tests.faults.scenario import Action, Fault
from tests.faults.tcp_proxy import Mode
from tests.integration.jobs.storage import faulty_wire

ALL = ("api", "keeper", "worker")
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


def no_repair(installation: Installation) -> None:
    """The repair of a fault that the service repairs without help."""


def kill_workers(installation: Installation) -> None:
    for name in installation.worker_names:
        installation.kill(name)


def start_workers(installation: Installation) -> None:
    for name in installation.worker_names:
        installation.start_one(name)


def drain_workers(installation: Installation) -> None:
    """Sends SIGTERM to all workers and releases the held ones. Each finishes or releases its job."""
    for name in installation.worker_names:
        installation.signal(name, signal.SIGTERM)
    installation.resume()
    assert [installation.exit_code(name) for name in installation.worker_names] == [0] * installation.workers


def signal_engines(number: signal.Signals) -> Action:
    def inject(installation: Installation) -> None:
        for name in installation.worker_names:
            send(installation.engines_of(name), number)

    return inject


def stop_workers(installation: Installation) -> None:
    for name in installation.worker_names:
        installation.signal(name, signal.SIGSTOP)
    wait_until(
        lambda: all(is_stopped(installation.pid(name)) for name in installation.worker_names), "all workers are stopped"
    )


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
    installation.kill_redis()


def start_redis(installation: Installation) -> None:
    installation.redis.start()


def kill_and_start(name: str) -> Action:
    def inject(installation: Installation) -> None:
        installation.kill(name)
        installation.start_one(name)

    return inject


def disturb_redis(mode: Mode, *kinds: str) -> Action:
    def inject(installation: Installation) -> None:
        for kind in kinds or ALL:
            installation.redis_proxies[kind].inject(mode)

    return inject


def disturb_s3(mode: Mode) -> Action:
    def inject(installation: Installation) -> None:
        for proxy in installation.s3_proxies.values():
            proxy.inject(mode)

    return inject


def repair_connections(installation: Installation) -> None:
    for proxy in (*installation.redis_proxies.values(), *installation.s3_proxies.values()):
        proxy.repair()
    installation.wire.permanent = ()


def s3_response_faults(*faults: faulty_wire.Fault) -> Action:
    """Injects faults into the S3 responses of the workers."""

    def inject(installation: Installation) -> None:
        installation.wire.permanent = faults

    return inject


def skew(seconds: float) -> Action:
    def inject(installation: Installation) -> None:
        installation.skew(seconds)

    return inject


BUSY = s3_response_faults(*(faulty_wire.Fault(method, status=503, code="SlowDown") for method in METHODS))
FULL = s3_response_faults(
    *(faulty_wire.Fault(method, status=507, code="InsufficientStorage") for method in ("PUT", "POST"))
)
TRUNCATES = s3_response_faults(faulty_wire.Fault("PUT", cut_upload=True), faulty_wire.Fault("GET", cut_download_at=10))
FLIPS_BITS = s3_response_faults(faulty_wire.Fault("PUT", flip_upload=True))


def _redis(name: str, mode: Mode, seconds: float, *kinds: str) -> Fault:
    return Fault(name, disturb_redis(mode, *kinds), repair_connections, seconds)


def _s3(name: str, inject: Action, seconds: float) -> Fault:
    return Fault(name, inject, repair_connections, seconds, costs_no_attempt=True)


WORKER_KILLED = Fault("worker SIGKILL", kill_workers, start_workers)
WORKER_STOPPED = Fault("worker SIGSTOP, SIGCONT after it was replaced", stop_workers, replace_stopped_workers)
WORKER_DRAINED = Fault("worker SIGTERM", drain_workers, start_workers, costs_no_attempt=True)
REDIS_CUT = _redis("Redis cut off for 5 s", Mode.CUT, 5.0)
S3_BUSY = _s3("S3 answers 503 for 5 s", BUSY, 5.0)
REDIS_OUTAGE = _redis("Redis cut off for 10 min", Mode.CUT, 600.0)


def all_faults() -> Iterator[Fault]:
    """The faults that are injected while jobs are in all phases."""
    yield WORKER_KILLED
    yield WORKER_STOPPED
    yield WORKER_DRAINED
    yield Fault("engine SIGKILL", signal_engines(signal.SIGKILL), no_repair)
    yield Fault("engine SIGSEGV", signal_engines(signal.SIGSEGV), no_repair)
    for name in ("keeper", "api"):
        yield Fault(f"{name} SIGKILL", kill_and_start(name), no_repair, costs_no_attempt=True)
    yield Fault("Redis SIGKILL", kill_redis, start_redis)
    yield REDIS_CUT
    yield _redis("Redis cut off for 60 s", Mode.CUT, 60.0)
    yield _redis("workers cut off from Redis for 8 s", Mode.RESET, 8.0, "worker")
    yield _redis("Redis behind a black hole for 8 s", Mode.SILENT, 8.0)
    yield _redis("Redis slow for 10 s", Mode.SLOW, 10.0)
    for name, seconds in (("an hour ahead", 3600.0), ("two hours back", -7200.0)):
        yield Fault(f"clocks of workers and keeper jump {name} for 5 s", skew(seconds), skew(0.0), 5.0, True)
    yield _s3("S3 cut off for 5 s", disturb_s3(Mode.CUT), 5.0)
    yield _s3("S3 resets lines for 5 s", disturb_s3(Mode.RESET), 5.0)
    yield _s3("S3 behind a black hole for 5 s", disturb_s3(Mode.SILENT), 5.0)
    yield _s3("S3 slow for 10 s", disturb_s3(Mode.SLOW), 10.0)
    yield S3_BUSY
    yield _s3("S3 full for 5 s", FULL, 5.0)
    yield _s3("S3 truncates for 5 s", TRUNCATES, 5.0)
    yield _s3("S3 flips bits for 5 s", FLIPS_BITS, 5.0)
