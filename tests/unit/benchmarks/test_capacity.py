"""Laws of the simulation of capacity: Erlang C, conservation of jobs, loss by interruptions, and the fair order."""

from random import Random

import pytest
from redis import Redis

from benchmarks.capacity.erlang import mean_wait_s, workers_for
from benchmarks.capacity.simulation import Plan, SimulatedJob, SimulatedQueue, Simulation
from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.model.states import Priority
from tests.job_store import JobStore

REQUEST = {
    "model": "m",
    "prompt": "a",
    "width": 64,
    "height": 64,
    "num_frames": 8,
    "fps": 8,
    "num_inference_steps": 2,
    "guidance_scale": 1.0,
    "scheduler": "euler",
    "seed": 1,
}


def exponential(workers: int, utilisation: float, jobs: int) -> Plan:
    """Exponential times with a mean of 60 s."""
    rate = workers * utilisation / 60
    return Plan(workers, lambda r: r.expovariate(1 / 60), lambda r: r.expovariate(rate), jobs)


@pytest.mark.parametrize(("workers", "utilisation"), [(1, 0.5), (4, 0.7), (20, 0.8)])
def test_the_mean_wait_is_that_of_erlang_c(workers: int, utilisation: float) -> None:
    figures = Simulation(exponential(workers, utilisation, 20_000)).run()
    measured = sum(job.waited_s or 0.0 for job in figures.finished) / len(figures.finished)
    assert measured == pytest.approx(mean_wait_s(workers, workers * utilisation, 60), rel=0.2)


def test_one_worker_waits_as_m_m_1() -> None:
    assert mean_wait_s(1, 0.5, 60) == pytest.approx(60)


def test_no_fewer_workers_keep_the_wait() -> None:
    workers = workers_for(100, 60, 10)
    assert mean_wait_s(workers, 100, 60) <= 10 < mean_wait_s(workers - 1, 100, 60)


def test_a_load_above_the_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot serve"):
        mean_wait_s(2, 2.0, 60)


def test_each_job_ends_once_with_interruptions_and_an_autoscaler() -> None:
    plan = Plan(
        20,
        lambda r: r.uniform(30, 90),
        lambda r: r.expovariate(0.1),
        500,
        interruptions_per_hour=10,
        min_workers=0,
    )
    figures = Simulation(plan).run()
    assert len({id(job) for job in figures.finished}) == len(figures.finished) == 500
    assert figures.interruptions > 0


def test_an_interruption_loses_less_than_a_step() -> None:
    plan = Plan(5, lambda _: 60.0, lambda r: r.expovariate(0.05), 300, interruptions_per_hour=20)
    figures = Simulation(plan).run()
    assert figures.lost_s
    assert max(figures.lost_s) < plan.step_s
    assert figures.worker_s == pytest.approx(300 * 60 + sum(figures.lost_s))


def test_the_order_is_that_of_the_queue_in_redis(redis: Redis) -> None:
    store, simulated, random = JobStore(redis), SimulatedQueue(), Random(3)
    names: dict[str, int] = {}
    jobs: list[SimulatedJob] = []

    def push(caller: str, priority: Priority) -> None:
        request = VideoRequest.model_validate(REQUEST)
        job = Job(id=new_job_id(), owner=caller, request=request, created_at=1.0, priority=priority)
        names[store.submit(job).id] = len(jobs)
        jobs.append(SimulatedJob(caller, priority, 0.0, 1.0))
        simulated.push(jobs[-1])

    for _ in range(150):
        if random.random() < 0.6 or not len(simulated):
            push(random.choice("aabc"), random.choice(list(Priority)))
        else:
            job_id = store.first_waiting("m")
            assert job_id is not None
            assert store.lease(job_id, "worker")
            assert simulated.pop() is jobs[names[job_id]]
