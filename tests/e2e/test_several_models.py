"""One worker with memory for one model serves several ones, of which one is damaged, with real processes."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.stack.stack import LocalStack
from easyanimate.weights.parameter_count import count_parameters
from tests.stack_plan import stack_plan

pytestmark = pytest.mark.slow

FIRST, SECOND, DAMAGED = "easyanimate-v3-tiny", "second", "damaged"
WEIGHTS = Path("transformer") / "diffusion_pytorch_model.safetensors"
FLOAT32 = 4  # bytes


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Path:
    """The small model under three names; the weights of one are truncated."""
    folder = tmp_path_factory.mktemp("models")
    for name in (FIRST, SECOND, DAMAGED):
        shutil.copytree(models_dir / FIRST, folder / name)
        card = folder / name / "card.json"
        card.write_text(card.read_text().replace(FIRST, name))
    os.truncate(folder / DAMAGED / WEIGHTS, 10_000)
    return folder


@pytest.fixture(scope="module")
def metrics_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    models_folder: Path,
    metrics_port: int,
    short_intervals: dict[str, str],
) -> Iterator[LocalStack]:
    """The service with one worker for all three models, and memory for the weights of one and a half."""
    folder = tmp_path_factory.mktemp("several")
    memory = {"EASYANIMATE_MODEL_MEMORY_BYTES": str(count_parameters(models_folder / FIRST) * FLOAT32 * 3 // 2)}
    others = {"EASYANIMATE_MODELS": f"{SECOND},{DAMAGED}", "EASYANIMATE_UNSERVED_AFTER_S": "1"}
    port = {"EASYANIMATE_WORKER_METRICS_PORT": str(metrics_port)}
    plan = stack_plan(folder, models_folder, {**short_intervals, **memory, **others, **port})
    stack = LocalStack(plan).start()
    yield stack
    stack.stop()


def model_status(api: Any, model: str) -> tuple[int, int, bool]:
    """The numbers of live and loaded workers of a model, and whether it is reported as unserved."""
    record = api.http.get(f"/v1/models/{model}").raise_for_status().json()
    return record["live_workers"], record["loaded_workers"], record["unserved_since"] is not None


def metrics_of(port: int) -> dict[tuple[str, str], float]:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, sample.labels.get("model", "")): sample.value for sample in samples}


def worker_pid(stack: LocalStack) -> int:
    process = stack.children["worker"].process
    assert process is not None
    return process.pid


def frames_of(api: Any, video_id: str) -> list[str]:
    content = api.http.get(f"/v1/videos/{video_id}/content", params={"variant": "manifest"})
    frames: list[str] = content.raise_for_status().json()["frames"]
    return frames


def test_models_share_the_memory_in_turn_and_render_the_same_frames(
    api: Any, stack: LocalStack, metrics_port: int, wait_until: Callable[..., None]
) -> None:
    wait_until(lambda: [model_status(api, model)[:2] for model in (FIRST, SECOND)] == [(1, 1), (1, 0)])
    pid = worker_pid(stack)
    ids = [api.create(model=model) for model in (FIRST, SECOND, FIRST)]
    assert [api.ended(video_id)["status"] for video_id in ids] == ["completed"] * 3
    assert frames_of(api, ids[0]) == frames_of(api, ids[1]) == frames_of(api, ids[2])
    metrics, dropped = metrics_of(metrics_port), ("easyanimate_worker_models_dropped_total", FIRST)
    assert metrics[dropped] >= 1
    for path in ("startupz", "livez"):
        assert httpx.get(f"http://127.0.0.1:{metrics_port}/{path}", timeout=60).json() == {"status": "ok", "faults": []}
    weights = [metrics["easyanimate_worker_model_weights_bytes", model] for model in (FIRST, SECOND)]
    assert sorted(weights)[0] == 0 < max(weights)
    assert worker_pid(stack) == pid


def test_jobs_of_a_damaged_model_wait_until_it_is_repaired(
    api: Any, stack: LocalStack, models_folder: Path, wait_until: Callable[..., None]
) -> None:
    failed = api.ended(api.create(model=DAMAGED))
    assert failed["error"]["code"] == "model_unavailable"
    wait_until(lambda: model_status(api, DAMAGED)[0] == 0)
    pid = worker_pid(stack)
    waiting = api.create(model=DAMAGED)
    wait_until(lambda: api.get(waiting)["queue"]["reason"] == "model_unavailable")
    wait_until(lambda: model_status(api, DAMAGED) == (0, 0, True))
    assert api.get(waiting)["state"] == "queued"
    assert api.ended(api.create(model=SECOND))["status"] == "completed"
    assert worker_pid(stack) == pid
    shutil.copy(models_folder / FIRST / WEIGHTS, models_folder / DAMAGED / WEIGHTS)
    os.kill(pid, signal.SIGTERM)  # the stack restarts it
    assert api.ended(waiting)["status"] == "completed"
    assert (api.get(waiting)["queue"], model_status(api, DAMAGED)[2]) == (None, False)
