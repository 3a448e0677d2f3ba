"""Guidance in two processes, with gloo on the CPU."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed

from easyanimate.errors import ExchangeFailed, InvalidInput
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation
from easyanimate.pipeline.schedulers.guidance_halves import GuidanceHalves

SETTINGS: dict[str, Any] = {
    "prompt": "a cat",
    "negative_prompt": "a dog",
    "height": 32,
    "width": 32,
    "num_frames": 8,
    "num_inference_steps": 10,
}
QUALITIES = ("exact", "fast")
OTHER_PROCESS = """
import sys
import torch
from torch import distributed
from easyanimate.pipeline import ClipPipeline, Draws, Generation
from easyanimate.pipeline.schedulers.guidance_halves import GuidanceHalves

folder, store, result = sys.argv[1:]
torch.set_num_threads(1)
pipe = ClipPipeline.from_pretrained(folder, torch_dtype=torch.float32)
distributed.init_process_group("gloo", init_method=f"file://{store}", rank=1, world_size=2)
pipe.guidance_halves = GuidanceHalves.of_group()
rows = []
pipe.transformer.register_forward_hook(lambda _module, _args, output: rows.append(len(output.sample)))
latents = []
for quality in QUALITIES:
    request = Generation(**SETTINGS, quality=quality)
    latents.append(pipe.make_latents(request, pipe.encode_text(request), Draws.from_seed(5)))
torch.save((latents, rows), result)
distributed.destroy_process_group()
"""


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    yield
    if distributed.is_initialized():
        distributed.destroy_process_group()


def latents_of(pipe: EasyAnimatePipeline) -> list[Tensor]:
    requests = [Generation(**SETTINGS, quality=quality) for quality in QUALITIES]
    return [pipe.make_latents(request, pipe.encode_text(request), Draws.from_seed(5)) for request in requests]


@pytest.mark.slow
def test_two_processes_have_the_result_of_one(
    pipe: EasyAnimatePipeline, checkpoint: Path, tmp_path: Path, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "sequential_guidance", True, raising=False)
    alone = latents_of(pipe)
    program = f"SETTINGS, QUALITIES = {SETTINGS!r}, {QUALITIES!r}\n{OTHER_PROCESS}"
    store, result = tmp_path / "store", tmp_path / "result.pt"
    other = subprocess.Popen([sys.executable, "-c", program, str(checkpoint), str(store), str(result)])
    try:
        distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=2)
        monkeypatch.setattr(pipe, "guidance_halves", GuidanceHalves.of_group(), raising=False)
        own = latents_of(pipe)
        assert other.wait(timeout=300) == 0
    finally:
        other.kill()
        other.wait()
    others, rows = torch.load(result)
    for expected, one, another in zip(alone, own, others, strict=True):
        assert torch.equal(one, expected)
        assert torch.equal(another, expected)
    assert rows == [1] * 20  # each process computes one row of each step


def test_a_failed_exchange_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("Connection closed by peer [127.0.0.1]\nat gloo/transport/tcp/pair.cc:525")

    monkeypatch.setattr(distributed, "all_gather", fail)
    with pytest.raises(ExchangeFailed, match=r"Connection closed by peer .* start both processes again$"):
        GuidanceHalves(0).gather(torch.zeros(1, 4))


def test_a_group_of_another_size_is_refused(tmp_path: Path, loopback: None) -> None:
    with pytest.raises(InvalidInput, match="needs torch"):
        GuidanceHalves.of_group()
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    with pytest.raises(InvalidInput, match="the group has 1 processes"):
        GuidanceHalves.of_group()
