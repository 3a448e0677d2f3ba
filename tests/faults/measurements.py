"""Figures of a service with its usual times: how soon a lost job runs again, a wish to cancel is met, a worker gone."""

import json
import signal
import time
from collections.abc import Callable
from statistics import median

import httpx

from jobs.model.states import Phase
from jobs.store.attempt_log import Attempt, Outcome
from tests.faults.installation import Installation, wait_until
from tests.faults.invariants import Request
from tests.faults.report import spread
from tests.faults.scenario import BIG, LONG, SMALL, steps_repeated

NewInstallation = Callable[..., Installation]
USUAL = {
    "LEASE_S": "15", "BEAT_S": "3", "SWEEP_S": "2", "DRAIN_GRACE_S": "25", "CHECKPOINT_EVERY_S": "5",
    "CHECKPOINT_STORE_EVERY_S": "30",
}  # fmt: skip
ENDLESS: Request = LONG | {"num_frames": 144, "num_inference_steps": 200}
HEAD = ["| what | goal | p50 | p99 | of |", "|---|---|---|---|---|"]
KILLS, CANCELS, CANCELS_DECODING, DRAINS = 6, 20, 6, 4  # rounds


def killed_and_running_again(new_installation: NewInstallation, seed: int) -> list[str]:
    """Two of four workers are killed in the same moment; the other two take their jobs."""
    with new_installation(workers=4, **USUAL) as installation:
        took_s, steps = list[float](), list[int]()
        for _ in range(KILLS):
            ids = [installation.submit(ENDLESS) for _ in range(2)]
            for job_id in ids:
                installation.wait_for(job_id, Phase.DENOISING, 2)
            names = [installation.worker_of(job_id) for job_id in ids]
            for name in names:
                installation.signal(name, signal.SIGKILL)
            killed_at = installation.store.now()
            for name in names:
                installation.exit_code(name)
                installation.start_one(name)
            for job_id in ids:
                attempts = _when_it_goes_on(installation, job_id)
                assert [attempt.outcome for attempt in attempts] == [Outcome.LOST, None]
                took_s.append(attempts[1].started_at - killed_at)
                steps.append(steps_repeated(attempts))
                installation.store.cancel(job_id)
                installation.end_of(job_id)
            installation.wait_for_workers()
    return [
        f"| s from a worker's SIGKILL until its job runs again (lease 15 s) | 20 | {spread(took_s)} |",
        f"| steps repeated by it, checkpoints every 5 s | | {spread(steps, 0)} |",
    ]


def _when_it_goes_on(installation: Installation, job_id: str) -> list[Attempt]:
    """The attempts, when the second one has taken a step."""
    wait_until(
        lambda: len(installation.store.attempts(job_id)) > 1 and installation.get(job_id).step > 0,
        "another one goes on",
    )
    return installation.store.attempts(job_id)


def cancelled(new_installation: NewInstallation, seed: int) -> list[str]:
    """One worker; jobs are cancelled while they wait, are denoised, are decoded."""
    with new_installation(workers=1, **USUAL) as installation:
        job = installation.end_of(installation.submit(LONG))
        assert job.result is not None
        step_ms = 1000 * job.result.phase_seconds[Phase.DENOISING] / int(str(LONG["num_inference_steps"]))
        denoising = [_cancel_at(installation, LONG, Phase.DENOISING, 3) for _ in range(CANCELS)]
        decoding = [_cancel_at(installation, BIG, Phase.DECODING, 0) for _ in range(CANCELS_DECODING)]
        runs = installation.submit(ENDLESS)
        installation.wait_for(runs, Phase.DENOISING, 1)
        queued = [_cancel(installation, installation.submit(SMALL)) for _ in range(CANCELS)]
        installation.store.cancel(runs)
        installation.end_of(runs)
    return [
        f"| ms to cancel a queued job, as its caller sees it | 50 | {spread(queued, 0)} |",
        f"| ms to cancel a job in denoising (a step takes {step_ms:.0f} ms) | a step + 250 | {spread(denoising, 0)} |",
        f"| ms to cancel a job in decoding | a slice | {spread(decoding, 0)} |",
    ]


def _cancel_at(installation: Installation, request: Request, phase: Phase, step: int) -> float:
    job_id = installation.submit(request)
    installation.wait_for(job_id, phase, step)
    _cancel(installation, job_id)
    latency_ms = installation.end_of(job_id).cancel_latency_ms
    assert latency_ms is not None
    return latency_ms


def _cancel(installation: Installation, job_id: str) -> float:
    """How many milliseconds the request took."""
    started = time.monotonic()
    answer = httpx.post(f"{installation.url}/v1/videos/{job_id}/cancel", timeout=30)
    took_ms = 1000 * (time.monotonic() - started)
    assert answer.status_code == 200, answer.text
    return took_ms


def drained(new_installation: NewInstallation, seed: int) -> list[str]:
    """A worker is told to go in the middle of a job that is too long for its grace, and another one goes on."""
    with new_installation(workers=2, **USUAL) as installation:
        took_s, steps = list[float](), list[int]()
        for _ in range(DRAINS):
            job_id = installation.submit(ENDLESS)
            installation.wait_for(job_id, Phase.DENOISING, 5)
            name, message_at = installation.worker_of(job_id), time.monotonic()
            installation.signal(name, signal.SIGTERM)
            assert installation.exit_code(name) == 0
            took_s.append(time.monotonic() - message_at)
            installation.start_one(name)
            steps.append(steps_repeated(_when_it_goes_on(installation, job_id)))
            installation.store.cancel(job_id)
            assert installation.end_of(job_id).attempt == 1
            installation.wait_for_workers()
    return [
        f"| s from SIGTERM until a worker with a long job is gone | 25 | {spread(took_s)} |",
        f"| steps repeated by it | 0 | {spread(steps, 0)} |",
    ]


def checkpointed(new_installation: NewInstallation, seed: int) -> list[str]:
    """What checkpoints take of runs in which nothing happens, as the engine adds it up."""
    request = LONG | {"num_frames": 40}
    with new_installation(workers=1, **USUAL) as installation:
        for _ in range(2):
            installation.end_of(installation.submit(request))
        message = [
            json.loads(line)
            for line in (installation.folder / "worker-0.log").read_text().splitlines()
            if "kept" in line
        ]
    message = [line for line in message if line["event"] == "checkpoints.kept"]
    assert len(message) == 2
    assert min(line["count"] for line in message) > 0
    share, count = [100 * line["share"] for line in message], median(line["count"] for line in message)
    return [f"| % of a run spent on checkpoints ({count:.0f} of them) | 1 | {spread(share, 2)} |"]


ALL = {
    "killed": killed_and_running_again,
    "cancelled": cancelled,
    "drained": drained,
    "checkpointed": checkpointed,
}
