"""Ablations: without a part of the model, the result is far from the recorded one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.vae import AutoencoderKLSlice

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
FAR = 0.05  # of the largest value; the required parity is 1e-4, and the weakest part changes the result by 0.1
PARTS = {
    "motion modules of even blocks": [f"transformer_blocks.{i}.attn_temporal" for i in range(0, 28, 2)],
    "motion modules of odd blocks": [f"transformer_blocks.{i}.attn_temporal" for i in range(1, 28, 2)],
    "each long skip": ["long_connect_fc"],
    "the image tokens": ["clip_projection"],
    "the text tokens": ["caption_projection"],
    "attention inside frames": [f"transformer_blocks.{i}.attn1.to_out" for i in range(28)],
    "attention to the context": [f"transformer_blocks.{i}.attn2.to_out" for i in range(28)],
    "feed-forward": [f"transformer_blocks.{i}.ff.net.2" for i in range(28)],
    "the time": ["adaln_single"],
}


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def transformer(tmp_path: Path) -> EasyAnimateTransformer3DModel:
    """The recorded model of 28 blocks, which a test may change."""
    (tmp_path / "config.json").symlink_to(GOLDEN / "transformer" / "config_a.json")
    weights = GOLDEN / "transformer" / "weights_a.safetensors"
    (tmp_path / "diffusion_pytorch_model.safetensors").symlink_to(weights)
    return EasyAnimateTransformer3DModel.from_pretrained(tmp_path)


@pytest.fixture
def vae() -> AutoencoderKLSlice:
    """The recorded VAE, which a test may change."""
    vae = AutoencoderKLSlice.from_config(json.loads((GOLDEN / "slice_vae" / "config.json").read_text())).eval()
    vae.load_state_dict(load_file(GOLDEN / "slice_vae" / "weights.safetensors"))
    return vae


def ablate(model: nn.Module, path: str) -> None:
    """Sets all weights of a part to zero; of a motion module only those of its output layer."""
    layer = f"{path}.temporal_transformer.proj_out" if path.endswith("attn_temporal") else path
    for weight in model.get_submodule(layer).parameters():
        weight.zero_()


def distance(transformer: EasyAnimateTransformer3DModel) -> float:
    """The largest difference from the recorded image-to-video call, as a share of its largest value."""
    case = load_file(GOLDEN / "transformer" / "case_b_i2v.safetensors")
    inputs = {key.removeprefix("in."): value for key, value in case.items() if key.startswith("in.")}
    recorded = case["out.sample"]
    return ((transformer(**inputs).sample - recorded).abs().max() / recorded.abs().max()).item()


@pytest.mark.parametrize("part", PARTS)
def test_without_a_part_of_the_transformer_the_result_differs(
    part: str, transformer: EasyAnimateTransformer3DModel
) -> None:
    for path in PARTS[part]:
        ablate(transformer, path)
    assert distance(transformer) > FAR


@pytest.mark.parametrize("index", range(13))
def test_without_one_long_skip_the_result_differs(index: int, transformer: EasyAnimateTransformer3DModel) -> None:
    ablate(transformer, f"long_connect_fc.{index}")
    assert distance(transformer) > FAR


def test_without_the_inpainting_channels_the_result_differs(transformer: EasyAnimateTransformer3DModel) -> None:
    transformer.pos_embed.proj.weight[:, 4:] = 0
    assert distance(transformer) > FAR


def remove_temporal_weights(vae: nn.Module) -> None:
    """Limits convolutions to their own frame, so that no information passes between frames."""
    for weight in vae.parameters():
        if weight.ndim == 5 and weight.shape[2] == 3:
            weight[:, :, 0] = weight[:, :, 2] = 0


def is_far(actual: Tensor, recorded: Tensor) -> bool:
    return bool((actual - recorded).abs().max() > FAR * recorded.abs().max())


def test_without_temporal_weights_the_vae_encodes_other_latents(vae: AutoencoderKLSlice) -> None:
    remove_temporal_weights(vae)
    file = load_file(GOLDEN / "slice_vae" / "encode.safetensors")
    assert is_far(vae.encode(file["video"][:, :, :8]).latent_dist.mean, file["mean_f8"])


def test_without_temporal_weights_the_vae_decodes_other_frames(vae: AutoencoderKLSlice) -> None:
    remove_temporal_weights(vae)
    file = load_file(GOLDEN / "slice_vae" / "decode.safetensors")
    assert is_far(vae.decode(file["z"][:, :, :4]).sample, file["dec_t4"])


def test_slices_decoded_without_their_neighbours_differ(vae: AutoencoderKLSlice) -> None:
    file = load_file(GOLDEN / "slice_vae" / "decode.safetensors")
    decoded = torch.cat([vae.decode(part).sample for part in file["z"][:, :, :4].split(2, dim=2)], dim=2)
    assert decoded.shape == file["dec_t4"].shape
    assert is_far(decoded, file["dec_t4"])
