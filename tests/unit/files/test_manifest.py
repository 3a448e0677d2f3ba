"""Manifests: written, read and compared."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from easyanimate.errors import InvalidInput
from easyanimate.files import manifest as module
from easyanimate.files.manifest import (
    FrameHashes,
    Manifest,
    UsedLora,
    file_sha256,
    first_difference,
    library_versions,
    model_sha256,
)

FRAMES = torch.randint(0, 256, (3, 4, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def hashes(frames: Any) -> tuple[str, ...]:
    frame_hashes = FrameHashes()
    frame_hashes.add(frames)
    return frame_hashes.all()


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        model="tiny",
        model_sha256="ab" * 32,
        settings={"prompt": "ein Fuchs 狐", "seed": 7},
        inputs={"image": "cd" * 32},
        loras=(UsedLora("style", "ef" * 32, 0.55),),
        device="cpu",
        dtype="float32",
        memory="normal",
        libraries=library_versions(),
        frames=hashes(FRAMES),
        cpu_threads=2,
    )


def test_a_manifest_without_threads_is_read(manifest: Manifest) -> None:
    written = json.loads(manifest.to_json())
    del written["cpu_threads"]
    assert Manifest.from_json(json.dumps(written)) == replace(manifest, cpu_threads=None)


def test_a_written_manifest_is_read_back(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_the_compact_form_differs_in_the_length_of_hashes_alone(manifest: Manifest) -> None:
    read = Manifest.from_json(manifest.compact())
    assert read.settings == manifest.settings
    assert [len(frame) for frame in read.frames] == [16] * 3
    assert first_difference(read.frames, manifest.frames) is None


def test_the_library_versions_name_what_computes() -> None:
    assert {"python", "torch", "diffusers", "transformers"} <= library_versions().keys()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "loras": [], "frames": [], "x": 1}'],
)
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="manifest"):
        Manifest.from_json(text)


def test_the_fields_of_a_newer_release_are_ignored(manifest: Manifest) -> None:
    assert Manifest.from_json(json.dumps(json.loads(manifest.to_json()) | {"more": 1})) == manifest


def test_a_hash_is_that_of_the_pixels_however_they_come() -> None:
    pieces = FrameHashes()
    for piece in FRAMES.split([1, 2]):
        pieces.add(piece)
    assert pieces.all() == hashes(FRAMES.numpy()) == hashes(np.asfortranarray(FRAMES.numpy()))
    assert len(set(pieces.all())) == 3


@pytest.mark.parametrize(
    ("generated", "difference"),
    [(("a1", "b1", "c1"), None), (("a1", "x", "c1"), 1), (("a1", "b1"), 2), (("a1", "b1", "c1", "d1"), 3)],
)
def test_the_first_difference_is_reported(generated: tuple[str, ...], difference: int | None) -> None:
    assert first_difference(("a", "b", "c"), generated) == difference


def test_an_empty_hash_is_equal_to_nothing() -> None:
    assert first_difference(("",), ("a1",)) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("transformer/config.json", "transformer/weights.safetensors", "vae/weights.safetensors"):
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
    return tmp_path / "model"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "transformer/weights.safetensors").write_bytes(
            b"transformer/weights.safetensort" * 1000
        ),
        lambda folder: (folder / "vae/weights.safetensors").unlink(),
        lambda folder: (folder / "vae/more.json").write_text("{}"),
        lambda folder: (folder / "vae/weights.safetensors").rename(folder / "vae/weights2.safetensors"),
    ],
)
def test_another_model_has_another_hash(change: Callable[[Path], object], folder: Path) -> None:
    before = model_sha256(folder)
    change(folder)
    assert model_sha256(folder) != before


def test_a_model_is_the_same_elsewhere_and_with_another_card(folder: Path) -> None:
    before = model_sha256(folder)
    (folder / "card.json").write_text("{}")
    (folder / "vae/.lock").write_text("")
    assert model_sha256(folder.rename(folder.with_name("moved"))) == before


def test_of_a_large_file_samples_are_read(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WHOLE", 100)
    monkeypatch.setattr(module, "_STRIDE", 1000)
    monkeypatch.setattr(module, "_SAMPLE", 10)
    weights = folder / "transformer/weights.safetensors"
    before = model_sha256(folder)
    content = bytearray(weights.read_bytes())
    content[500] ^= 1
    weights.write_bytes(content)
    assert model_sha256(folder) == before
    content[2005] ^= 1
    weights.write_bytes(content)
    assert model_sha256(folder) != before


def test_a_file_is_identified_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
