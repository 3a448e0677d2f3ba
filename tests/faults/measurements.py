"""Figures with the default intervals: time to resume a lost job, to cancel a job and to stop a worker."""

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
from tests.faults.report import Figure
from tests.faults.scenario import BIG, LONG, SMALL, steps_repeated

NewInstallation = Callable[..., Installation]
Measure = Callable[[NewInstallation, int], list[Figure]]
DEFAULT_INTERVALS = {
    "LEASE_S": "8", "BEAT_S": "0.5", "SWEEP_S": "1", "DRAIN_GRACE_S": "25", "CHECKPOINT_EVERY_S": "5",
    "CHECKPOINT_STORE_EVERY_S": "30",
}  # fmt: skip
ENDLESS: Request = LONG | {"num_frames": 144, "num_inference_steps": 200}
HEAD = ["| what | goal | p50 | p99 | of |", "|---|---|---|---|---|"]
CANCEL_MARGIN_MS = 250.0  # beside the step or the slice that a running job finishes first
SLICE_FRAMES = 8
KILLS, CANCELS, CANCELS_DECODING, DRAINS = 6, 20, 6, 4  # rounds


def killed_and_running_again(new_installation: NewInstallation, seed: int) -> list[Figure]:
    """Kills two of four workers at the same time; the other two resume their jobs."""
    with new_installation(workers=4, **DEFAULT_INTERVALS) as installation:
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
                attempts = _wait_for_second_attempt(installation, job_id)
                assert [attempt.outcome for attempt in attempts] == [Outcome.LOST, None]
                took_s.append(attempts[1].started_at - killed_at)
                steps.append(steps_repeated(attempts))
                installation.store.cancel(job_id)
                installation.wait_for_end(job_id)
            installation.wait_for_workers()
    return [
        Figure("s from a worker's SIGKILL until its job runs again (lease 8 s)", 10, took_s),
        Figure("steps repeated by it, checkpoints every 5 s", None, steps, 0),
    ]


def _wait_for_second_attempt(installation: Installation, job_id: str) -> list[Attempt]:
    """Waits for the first step of the second attempt; returns the attempts."""
    wait_until(
        lambda: len(installation.store.attempts(job_id)) > 1 and installation.get(job_id).step > 0,
        "another worker resumes the job",
    )
    return installation.store.attempts(job_id)


def cancelled(new_installation: NewInstallation, seed: int) -> list[Figure]:
    """Cancels jobs of one worker in the queue, in denoising and in decoding."""
    with new_installation(workers=1, **DEFAULT_INTERVALS) as installation, _caller(installation) as caller:
        step_ms = _phase_ms(installation, LONG, Phase.DENOISING) / int(str(LONG["num_inference_steps"]))
        slice_ms = _phase_ms(installation, BIG, Phase.DECODING) * SLICE_FRAMES / int(str(BIG["num_frames"]))
        denoising = [_cancel_at(installation, caller, LONG, Phase.DENOISING, 3) for _ in range(CANCELS)]
        decoding = [_cancel_at(installation, caller, BIG, Phase.DECODING, 0) for _ in range(CANCELS_DECODING)]
        running_id = installation.submit(ENDLESS)
        installation.wait_for(running_id, Phase.DENOISING, 1)
        queued = [_cancel(caller, installation.submit(SMALL)) for _ in range(CANCELS)]
        installation.store.cancel(running_id)
        installation.wait_for_end(running_id)
    return [
        Figure("ms to cancel a queued job, as its caller sees it", 50, queued, 0),
        _figure_of_cancels("denoising", "step", step_ms, denoising),
        _figure_of_cancels("decoding", "slice", slice_ms, decoding),
    ]


def _phase_ms(installation: Installation, request: Request, phase: Phase) -> float:
    """The milliseconds of a phase of an undisturbed run."""
    job = installation.wait_for_end(installation.submit(request))
    assert job.result is not None
    return 1000 * job.result.phase_seconds[phase]


def _figure_of_cancels(phase: str, unit: str, unit_ms: float, latencies_ms: list[float]) -> Figure:
    name = f"ms to cancel a job in {phase} (a {unit} takes {unit_ms:.0f} ms; goal: a {unit} + {CANCEL_MARGIN_MS:.0f})"
    return Figure(name, round(unit_ms + CANCEL_MARGIN_MS), latencies_ms, 0)


def _cancel_at(installation: Installation, caller: httpx.Client, request: Request, phase: Phase, step: int) -> float:
    job_id = installation.submit(request)
    installation.wait_for(job_id, phase, step)
    _cancel(caller, job_id)
    latency_ms = installation.wait_for_end(job_id).cancel_latency_ms
    assert latency_ms is not None
    return latency_ms


def _caller(installation: Installation) -> httpx.Client:
    """A caller with one client for all its requests. To build a client takes 27 ms, which is no time of the service."""
    return httpx.Client(base_url=installation.url, timeout=30)


def _cancel(caller: httpx.Client, job_id: str) -> float:
    """Cancels a job; returns the milliseconds until the response."""
    started = time.monotonic()
    response = caller.post(f"/v1/videos/{job_id}/cancel")
    duration_ms = 1000 * (time.monotonic() - started)
    assert response.status_code == 200, response.text
    return duration_ms


def drained(new_installation: NewInstallation, seed: int) -> list[Figure]:
    """Sends SIGTERM to a worker during a job longer than its grace period; another worker resumes the job."""
    with new_installation(workers=2, **DEFAULT_INTERVALS) as installation:
        took_s, steps = list[float](), list[int]()
        for _ in range(DRAINS):
            job_id = installation.submit(ENDLESS)
            installation.wait_for(job_id, Phase.DENOISING, 5)
            name, signalled_at = installation.worker_of(job_id), time.monotonic()
            installation.signal(name, signal.SIGTERM)
            assert installation.exit_code(name) == 0
            took_s.append(time.monotonic() - signalled_at)
            installation.start_one(name)
            steps.append(steps_repeated(_wait_for_second_attempt(installation, job_id)))
            installation.store.cancel(job_id)
            assert installation.wait_for_end(job_id).attempt == 1
            installation.wait_for_workers()
    return [
        Figure("s from SIGTERM until a worker with a long job is gone", 25, took_s),
        Figure("steps repeated by it", 0, steps, 0),
    ]


def checkpointed(new_installation: NewInstallation, seed: int) -> list[Figure]:
    """The share of time that the engine spends on checkpoints in undisturbed runs."""
    request = LONG | {"num_frames": 40}
    with new_installation(workers=1, **DEFAULT_INTERVALS) as installation:
        for _ in range(2):
            installation.wait_for_end(installation.submit(request))
        lines = (installation.folder / "worker-0.log").read_text().splitlines()
    records = [json.loads(line) for line in lines if "checkpoints.kept" in line]
    assert len(records) == 2
    assert min(record["count"] for record in records) > 0
    share, count = [100 * record["share"] for record in records], median(record["count"] for record in records)
    return [Figure(f"% of a run spent on checkpoints ({count:.0f} of them)", 1, share, 2)]


RECOVERY = {"killed": killed_and_running_again}
FIGURES = {
    "cancelled": cancelled,
    "drained": drained,
    "checkpointed": checkpointed,
}
