"""A store on the real server, and jobs for it."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.model.states import Priority
from tests.job_store import JobStore


def _make_job(
    owner: str = "default",
    created_at: float = 1.0,
    priority: Priority = Priority.NORMAL,
    deadline: float | None = None,
    **changes: Any,
) -> Job:
    fields: dict[str, Any] = {
        "model": "easyanimate-v3-tiny",
        "prompt": "A red ball rolls across a meadow",
        "width": 128,
        "height": 128,
        "num_frames": 16,
        "fps": 24,
        "num_inference_steps": 10,
        "guidance_scale": 4.0,
        "scheduler": "euler",
        "seed": 1,
    }
    request = VideoRequest.model_validate(fields | changes)
    schedule: dict[str, Any] = {"priority": priority, "deadline": deadline}
    return Job(id=new_job_id(), owner=owner, request=request, created_at=created_at, **schedule)


@pytest.fixture(scope="session")
def make_job() -> Callable[..., Job]:
    """Creates a job that is not submitted; keyword arguments change its request."""
    return _make_job


@pytest.fixture
def store(redis: Redis) -> JobStore:
    """The store of an empty database."""
    return JobStore(redis)
