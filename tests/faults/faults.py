"""The faults: each breaks something while a job is under way, and mends it where a person or a manager would."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobs.states import Phase, State
from tests.faults.house import House, wait_until

Break = Callable[[House, str], str | None]


@dataclass(frozen=True)
class Outcome:
    """What became of it: how long until the job ran again, how many steps were taken twice, None where not at all."""

    fault: str
    phase: str
    recovered_s: float | None
    steps_repeated: int | None


@dataclass(frozen=True)
class Fault:
    """`do` breaks something and says which process must be started again, if one must."""

    name: str
    phase: Phase
    do: Break
    step: int = 0

    def run(self, house: House, seed: int) -> Outcome:
        """Break it in the middle of a job of this seed, and see that everything holds."""
        job_id = house.submit(seed=seed)
        house.wait_for(job_id, self.phase, self.step)
        before = house.get(job_id)
        started = time.monotonic()
        to_start = self.do(house, job_id)
        if to_start:
            house.start_one(to_start)

        def runs_again() -> bool:
            job = house.get(job_id)
            return job.state.is_final or (job.state is State.RUNNING and job.handover > before.handover)

        recovered_s = None
        if to_start or self.name in TAKEN_OVER:
            wait_until(runs_again, "somebody takes it up")
            recovered_s = round(time.monotonic() - started, 1)
        house.check(job_id, seed)
        attempts = house.store.attempts(job_id)
        repeated = None
        if len(attempts) > 1:
            repeated = max(0, _steps(attempts[0].phase, attempts[0].step) - (attempts[1].resumed_step or 0))
        if to_start:
            house.wait_for_workers(house.workers)
        return Outcome(self.name, self.phase, recovered_s, repeated)


def _steps(phase: Phase | None, step: int) -> int:
    """Steps of denoising that were done; later phases count frames."""
    return step if phase is Phase.DENOISING else 0


def kill_worker(house: House, job_id: str) -> str:
    name = house.worker_of(job_id)
    house.kill(name)
    return name


def kill_engine(house: House, job_id: str) -> None:
    _engine_signal(house, job_id, signal.SIGKILL)


def segfault_engine(house: House, job_id: str) -> None:
    _engine_signal(house, job_id, signal.SIGSEGV)


def _engine_signal(house: House, job_id: str, number: signal.Signals) -> None:
    import os
    from pathlib import Path

    process = house.children[house.worker_of(job_id)].process
    assert process is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), number)


def drain_worker(house: House, job_id: str) -> str:
    name = house.worker_of(job_id)
    house.signal(name, signal.SIGTERM)
    assert house.exit_code(name) == 0
    return name


def pause_worker(house: House, job_id: str) -> None:
    """It wakes up when its job was taken over, or is done, and must not disturb anything."""
    name, before = house.worker_of(job_id), house.get(job_id).handover
    house.signal(name, signal.SIGSTOP)
    wait_until(lambda: house.get(job_id).handover > before, "the job is taken away from it")
    time.sleep(1.0)
    house.signal(name, signal.SIGCONT)


def kill_keeper(house: House, job_id: str) -> None:
    house.kill("keeper")
    house.start_one("keeper")


def kill_api(house: House, job_id: str) -> None:
    house.kill("api")
    house.start_one("api")


def kill_redis(house: House, job_id: str) -> None:
    assert house.redis.process is not None
    time.sleep(1.1)  # it writes its file every second
    house.redis.process.kill()
    house.redis.process.wait()
    house.redis.start()


def cut_line(seconds: float) -> Break:
    def cut(house: House, job_id: str) -> None:
        house.line.cut()
        time.sleep(seconds)
        house.line.mend()

    return cut


TAKEN_OVER = {"engine SIGKILL", "engine SIGSEGV"}


def crash_worker_at(point: str) -> Callable[[House, int], Outcome]:
    """All workers but one are sent away; that one ends at the crash point, and others come."""

    def run(house: House, seed: int) -> Outcome:
        house.clean_sha256(seed)
        for i in range(house.workers):
            house.signal(f"worker-{i}", signal.SIGTERM)
            house.exit_code(f"worker-{i}")
        house.start_one("worker-0", CRASH_POINT=point)
        job_id = house.submit(seed=seed)
        assert house.exit_code("worker-0") == -signal.SIGKILL
        started = time.monotonic()
        for i in range(house.workers):
            house.start_one(f"worker-{i}")
        house.check(job_id, seed)
        house.wait_for_workers(house.workers)
        return Outcome(f"SIGKILL at {point}", "", round(time.monotonic() - started, 1), None)

    return run


def crash_keeper_at(point: str) -> Callable[[House, int], Outcome]:
    """A worker dies, and so does the keeper that finds out; another keeper comes."""

    def run(house: House, seed: int) -> Outcome:
        house.clean_sha256(seed)
        house.kill("keeper")
        house.start_one("keeper", CRASH_POINT=point)
        job_id = house.submit(seed=seed)
        house.wait_for(job_id, Phase.DENOISING, 2)
        started, name = time.monotonic(), house.worker_of(job_id)
        house.kill(name)
        assert house.exit_code("keeper") == -signal.SIGKILL
        house.start_one("keeper")
        house.start_one(name)
        house.check(job_id, seed)
        house.wait_for_workers(house.workers)
        return Outcome(f"SIGKILL at {point}", "", round(time.monotonic() - started, 1), None)

    return run


QUICK = (
    Fault("worker SIGKILL", Phase.DENOISING, kill_worker, step=4),
    Fault("worker SIGTERM", Phase.DENOISING, drain_worker, step=4),
    Fault("worker SIGSTOP, SIGCONT", Phase.DENOISING, pause_worker, step=4),
    Fault("Redis cut off for 2 s", Phase.DENOISING, cut_line(2.0), step=4),
)


def every_fault(long_cuts: bool = True) -> Iterator[Fault]:
    """All pairs of fault and phase that can be caught in the act."""
    for phase in (Phase.ENCODING, Phase.DENOISING, Phase.DECODING):
        step = 4 if phase is Phase.DENOISING else 0
        yield Fault("worker SIGKILL", phase, kill_worker, step)
        yield Fault("engine SIGKILL", phase, kill_engine, step)
        yield Fault("engine SIGSEGV", phase, segfault_engine, step)
    for name, do in (("keeper SIGKILL", kill_keeper), ("API SIGKILL", kill_api), ("Redis SIGKILL", kill_redis)):
        yield Fault(name, Phase.DENOISING, do, 2)
    yield from QUICK[1:3]
    for seconds in (5.0, 60.0) if long_cuts else (5.0,):
        yield Fault(f"Redis cut off for {seconds:g} s", Phase.DENOISING, cut_line(seconds), 4)


def shuffled(seed: int) -> list[Fault]:
    found = list(every_fault())
    random.Random(seed).shuffle(found)
    return found
