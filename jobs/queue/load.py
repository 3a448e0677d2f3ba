"""The load of a model: waiting and running jobs, workers, and the time that a video or one more job takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from redis.client import Pipeline

from jobs.model.job import Job, Result
from jobs.model.request import VideoRequest
from jobs.model.states import Priority, State
from jobs.model.steps import rows_to_make, steps_of_window
from jobs.redis.keys import waiting_keys, workers_key

# KEYS: the waiting jobs of each priority, the running jobs, the workers by expiry, the measured times.
_LOAD = """
local now, found = redis.call('TIME')[1], {}
for i = 1, #KEYS - 3 do found[i] = redis.call('ZCARD', KEYS[i]) end
found[#found + 1] = redis.call('SCARD', KEYS[#KEYS - 2])
found[#found + 1] = redis.call('ZCOUNT', KEYS[#KEYS - 1], '(' .. now, '+inf')
for _, time in ipairs(redis.call('HMGET', KEYS[#KEYS], 'run_s', 'pace_s')) do found[#found + 1] = time end
return found
"""

# A moving average: the latest video has the weight 0.2.
_MEASURED = """
for i = 1, #ARGV, 2 do
  local old = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '') or tonumber(ARGV[i + 1])
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.9g', old + 0.2 * (ARGV[i + 1] - old)))
end
"""


@dataclass(frozen=True)
class Load:
    """The load of one model. `run_s` is the average time of a video, `pace_s` the time of a pixel, frame and step.

    Both are None before the first video.
    """

    waiting: dict[Priority, int]
    running: int
    workers: int
    run_s: float | None
    pace_s: float | None

    @classmethod
    def parsed(cls, row: Sequence[Any]) -> Self:
        """The load in a reply to `load_command`."""
        *counts, running, workers, run_s, pace_s = row
        waiting = dict(zip(Priority, map(int, counts), strict=True))
        return cls(waiting, int(running), int(workers), _number(run_s), _number(pace_s))

    @property
    def depth(self) -> int:
        """Number of waiting jobs."""
        return sum(self.waiting.values())

    def wait_s(self, before: int) -> float | None:
        """Seconds until a job with `before` jobs before it starts; None if unknown."""
        if not self.workers:
            return None
        ends = before + self.running - self.workers + 1  # videos to finish until then
        if ends <= 0:
            return 0.0
        return None if self.run_s is None else ends * self.run_s / self.workers

    def eta_s(self, job: Job, position: int | None, progress: float) -> float | None:
        """Seconds until the job has its video; None if unknown. `progress` in 0..1."""
        if self.pace_s is None or job.state.is_final:
            return None
        run_s = self.pace_s * _work(job.request)
        if job.state is State.RUNNING:
            return run_s * (1 - progress)
        wait_s = None if position is None else self.wait_s(position)
        return None if wait_s is None else wait_s + run_s


def load_command(model: str) -> list[Any]:
    """The arguments of EVAL whose reply `Load.parsed` parses."""
    names = [*waiting_keys(model), running_key(model), workers_key(model), _times_key(model)]
    return [_LOAD, len(names), *names]


def update_running(pipe: Pipeline, job: Job, before: State | None, after: State | None) -> None:
    """Adds the change of the set of running jobs to `pipe`; the state is None where there is no record."""
    if before is State.RUNNING and after is not State.RUNNING:
        pipe.srem(running_key(job.request.model), job.id)
    if after is State.RUNNING and before is not State.RUNNING:
        pipe.sadd(running_key(job.request.model), job.id)


def record_duration(pipe: Pipeline, job: Job, result: Result) -> None:
    """Adds the duration of this video to the averages, in `pipe`."""
    run_s = sum(result.phase_seconds.values())
    pipe.eval(_MEASURED, 1, _times_key(job.request.model), "run_s", run_s, "pace_s", run_s / _work(job.request))


def _work(request: VideoRequest) -> float:
    """Pixels x frames x steps, which the time of a video is proportional to."""
    pixels = request.width * request.height * request.num_frames * request.num_inference_steps
    rows = steps_of_window(request) * (2 if request.guidance_scale > 1 else 1)
    return pixels * rows_to_make(request) / rows


def _number(value: bytes | None) -> float | None:
    """The measured time; None without one, and for a text that is no number."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def running_key(model: str) -> str:
    """The set of the running jobs of a model."""
    return f"model:{model}:running"


def _times_key(model: str) -> str:
    """The hash of the measured averages of a model."""
    return f"model:{model}:times"
