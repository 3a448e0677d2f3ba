"""The faults of the scenes: what breaks, and how a person, a manager of processes, or time mends it."""

import signal
from collections.abc import Iterator

from tests.faults.installation import Installation, is_stopped, send, wait_until
from tests.faults.scenario import Act, Fault
from tests.faults.tcp_proxy import Mode
from tests.integration.jobs.storage import faulty_wire

ALL = ("api", "keeper", "worker")
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


def nothing(installation: Installation) -> None:
    """It mends itself."""


def kill_workers(installation: Installation) -> None:
    for name in installation.worker_names:
        installation.kill(name)


def start_workers(installation: Installation) -> None:
    for name in installation.worker_names:
        installation.start_one(name)


def drain_workers(installation: Installation) -> None:
    """All at once: a stopped worker continues, and releases its job if it cannot finish it."""
    for name in installation.worker_names:
        installation.signal(name, signal.SIGTERM)
    installation.go_on()
    assert [installation.exit_code(name) for name in installation.worker_names] == [0] * installation.workers


def to_engines(number: signal.Signals) -> Act:
    def strike(installation: Installation) -> None:
        for name in installation.worker_names:
            send(installation.engines_of(name), number)

    return strike


def stop_workers(installation: Installation) -> None:
    for name in installation.worker_names:
        installation.signal(name, signal.SIGSTOP)
    wait_until(
        lambda: all(is_stopped(installation.pid(name)) for name in installation.worker_names), "they stand still"
    )


def replace_stopped_workers(installation: Installation) -> None:
    """The stopped ones wake up when others have taken their jobs, in the middle of what they were doing."""
    stopped = [installation.children[name] for name in installation.worker_names]
    wait_until(lambda: installation.store.running() == 0, "their jobs are taken away from them")
    start_workers(installation)
    wait_until(lambda: installation.store.running() > 0, "others take them")
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


def kill_and_start(name: str) -> Act:
    def strike(installation: Installation) -> None:
        installation.kill(name)
        installation.start_one(name)

    return strike


def spoil_redis(mode: Mode, *kinds: str) -> Act:
    def strike(installation: Installation) -> None:
        for kind in kinds or ALL:
            installation.to_redis[kind].spoil(mode)

    return strike


def spoil_s3(mode: Mode) -> Act:
    def strike(installation: Installation) -> None:
        for line in installation.to_s3.values():
            line.spoil(mode)

    return strike


def mend_lines(installation: Installation) -> None:
    for line in (*installation.to_redis.values(), *installation.to_s3.values()):
        line.mend()
    installation.wire.status = ()


def s3_answers(*faults: faulty_wire.Fault) -> Act:
    """What the workers meet at their storage."""

    def strike(installation: Installation) -> None:
        installation.wire.status = faults

    return strike


def skew(seconds: float) -> Act:
    def strike(installation: Installation) -> None:
        installation.skew(seconds)

    return strike


BUSY = s3_answers(*(faulty_wire.Fault(method, status=503, code="SlowDown") for method in METHODS))
FULL = s3_answers(*(faulty_wire.Fault(method, status=507, code="InsufficientStorage") for method in ("PUT", "POST")))
TRUNCATES = s3_answers(faulty_wire.Fault("PUT", cut_upload=True), faulty_wire.Fault("GET", cut_download_at=10))
SPOILS = s3_answers(faulty_wire.Fault("PUT", flip_upload=True))


def _redis(name: str, mode: Mode, seconds: float, *kinds: str) -> Fault:
    return Fault(name, spoil_redis(mode, *kinds), mend_lines, seconds)


def _s3(name: str, strike: Act, seconds: float) -> Fault:
    return Fault(name, strike, mend_lines, seconds, costs_no_attempt=True)


WORKER_KILLED = Fault("worker SIGKILL", kill_workers, start_workers)
WORKER_STOPPED = Fault("worker SIGSTOP, SIGCONT after it was replaced", stop_workers, replace_stopped_workers)
WORKER_DRAINED = Fault("worker SIGTERM", drain_workers, start_workers, costs_no_attempt=True)
REDIS_CUT = _redis("Redis cut off for 5 s", Mode.CUT, 5.0)
S3_BUSY = _s3("S3 answers 503 for 5 s", BUSY, 5.0)
REDIS_AWAY_LONG = _redis("Redis cut off for 10 min", Mode.CUT, 600.0)


def every_fault() -> Iterator[Fault]:
    """All that strike jobs in every phase."""
    yield WORKER_KILLED
    yield WORKER_STOPPED
    yield WORKER_DRAINED
    yield Fault("engine SIGKILL", to_engines(signal.SIGKILL), nothing)
    yield Fault("engine SIGSEGV", to_engines(signal.SIGSEGV), nothing)
    for name in ("keeper", "api"):
        yield Fault(f"{name} SIGKILL", kill_and_start(name), nothing, costs_no_attempt=True)
    yield Fault("Redis SIGKILL", kill_redis, start_redis)
    yield REDIS_CUT
    yield _redis("Redis cut off for 60 s", Mode.CUT, 60.0)
    yield _redis("workers cut off from Redis for 8 s", Mode.RESET, 8.0, "worker")
    yield _redis("Redis behind a black hole for 8 s", Mode.SILENT, 8.0)
    yield _redis("Redis slow for 10 s", Mode.SLOW, 10.0)
    for name, seconds in (("an hour ahead", 3600.0), ("two hours back", -7200.0)):
        yield Fault(f"clocks of workers and keeper jump {name} for 5 s", skew(seconds), skew(0.0), 5.0, True)
    yield _s3("S3 cut off for 5 s", spoil_s3(Mode.CUT), 5.0)
    yield _s3("S3 resets lines for 5 s", spoil_s3(Mode.RESET), 5.0)
    yield _s3("S3 behind a black hole for 5 s", spoil_s3(Mode.SILENT), 5.0)
    yield _s3("S3 slow for 10 s", spoil_s3(Mode.SLOW), 10.0)
    yield S3_BUSY
    yield _s3("S3 full for 5 s", FULL, 5.0)
    yield _s3("S3 truncates for 5 s", TRUNCATES, 5.0)
    yield _s3("S3 flips bits for 5 s", SPOILS, 5.0)
