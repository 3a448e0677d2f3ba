"""The number of parameters from the headers of weight files."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from easyanimate import EasyAnimatePipeline
from easyanimate.weights.parameter_count import count_parameters


def test_the_headers_have_as_many_parameters_as_the_loaded_model(models_dir: Path) -> None:
    folder = models_dir / "easyanimate-v3-tiny"
    pipe = EasyAnimatePipeline.from_pretrained(folder, torch_dtype=torch.float32)
    models = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    held = sum(weight.numel() for model in models for weight in model.parameters())
    assert count_parameters(folder) == pytest.approx(held, rel=0.01)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 8, (5).to_bytes(8, "little") + b"[1,2]", bytes(2000)])
def test_a_file_that_cannot_be_read_counts_by_its_size(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(damage)
    assert count_parameters(tmp_path) == len(damage) // 2


def test_a_pickle_beside_safetensors_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "pytorch_model.bin").write_bytes(bytes(1000))
    assert count_parameters(tmp_path) == 500
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    assert count_parameters(tmp_path) == 0


def file_of(folder: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """A model folder with one file of weights."""
    (folder / "vae").mkdir()
    save_file(tensors, folder / "vae" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize(
    "name", ["loss.logvar", "text_model.a", "text_projection.a", "logit_scale", "a.pos_encoder.pe"]
)
def test_a_tensor_that_no_network_loads_is_not_counted(tmp_path: Path, name: str) -> None:
    assert count_parameters(file_of(tmp_path, {"a.weight": torch.ones(2, 3), name: torch.ones(50)})) == 6


def test_a_header_of_many_names_is_read_whole(tmp_path: Path) -> None:
    tensors = {f"layer.{i}.{'x' * 100}": torch.ones(1) for i in range(1000)}
    folder = file_of(tmp_path, tensors)
    assert next((folder / "vae").iterdir()).stat().st_size > 150_000
    assert count_parameters(folder) == 1000
