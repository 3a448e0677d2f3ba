"""NVIDIA's AIPerf measures the running service by its video generation endpoint."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import KEY
from tests.clients.environments import python_of
from tests.clients.wire import Wire

pytestmark = pytest.mark.slow


@pytest.fixture
def tokenizer(models_dir: Path, tmp_path: Path) -> Path:
    """The tokenizer with which AIPerf counts prompt tokens; it needs no network."""
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    shutil.copy(models_dir / "easyanimate-v3-tiny" / "tokenizer" / "tokenizer.json", folder)
    tokens = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **tokens})
    (folder / "tokenizer_config.json").write_text(config)
    return folder


def test_aiperf_measures_the_requested_videos(wire: Wire, tokenizer: Path, tmp_path: Path) -> None:
    options = {"model": "easyanimate-v3-tiny", "url": wire.url, "api-key": KEY, "endpoint-type": "video-generation"}
    options |= {"tokenizer": str(tokenizer), "request-count": "2", "concurrency": "2", "ui": "none"}
    options |= {"artifact-dir": str(tmp_path / "artifacts"), "synthetic-input-tokens-mean": "8"}
    inputs = [f"--extra-inputs={pair}" for pair in ("size:64x64", "num_frames:8", "num_inference_steps:2")]
    aiperf = python_of("aiperf").with_name("aiperf")
    command = [aiperf, "profile", *(f"--{name}={value}" for name, value in options.items()), *inputs]
    done = subprocess.run(
        [*command, "--download-video-content"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        timeout=550,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    result = json.loads((tmp_path / "artifacts" / "profile_export_aiperf.json").read_text())
    assert result["request_count"]["avg"] == 2
    assert result["error_summary"] in ([], None)
    assert result["video_inference_time"]["avg"] > 0
    assert result["video_peak_memory"]["avg"] > 0
    records = [exchange.json() for exchange in wire.exchanges if exchange.path.startswith("/v1/videos/")]
    ended = [record for record in records if record["status"] == "completed"]
    assert len({record["id"] for record in ended}) == 2
    assert all(record["url"] for record in ended)  # AIPerf downloads from this URL, not over the wire
    assert result["request_latency"]["min"] >= 1000 * min(record["inference_time_s"] for record in ended)
