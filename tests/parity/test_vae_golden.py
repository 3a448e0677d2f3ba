"""The Slice VAE against all recorded tensors of the reference implementation, on a tiny network."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from easyanimate.vae import AutoencoderKLSlice, smooth_seams
from easyanimate.vae.posterior import Posterior

GOLDEN = Path(__file__).parents[1] / "golden" / "slice_vae"
TILED = {"use_tiling": True, "tile_sample_min_size": 32}


def golden(file):
    return load_file(GOLDEN / f"{file}.safetensors")


def names(file, prefix):
    with safe_open(GOLDEN / f"{file}.safetensors", "pt") as tensors:
        return [name for name in tensors.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a dictionary


def count_in(name):
    """The frame count in the name of a tensor: 25 in mean_f25."""
    return int(name.rsplit("_", 1)[1][1:])


def make_vae(**settings):
    config = json.loads((GOLDEN / "config.json").read_text())
    vae = AutoencoderKLSlice.from_config({**config, **settings}).eval()
    vae.load_state_dict(golden("weights"), strict=True)
    return vae


@pytest.fixture(scope="module")
def vae():
    return make_vae()


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(autouse=True)
def one_thread():
    """Limits torch to one thread; tensors of this size are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_matches(actual, expected):
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=1e-4)


def assert_near_in_bfloat16(actual, expected):
    error = actual.float() - expected
    rms = error.square().mean().sqrt()
    assert (rms < 0.03, error.abs().max() < 0.2) == (True, True)


@pytest.mark.parametrize("name", names("encode", "mean") + names("encode", "logvar"))
def test_encoding_matches_the_reference(vae, name):
    file = golden("encode")
    posterior = vae.encode(file["video"][:, :, : count_in(name)], allow_any_length=True).latent_dist
    assert_matches(getattr(posterior, name.split("_")[0]), file[name])


@pytest.mark.parametrize("name", names("decode", "dec"))
def test_decoding_matches_the_reference(vae, name):
    file = golden("decode")
    assert_matches(vae.decode(file["z"][:, :, : count_in(name)]).sample, file[name])


@pytest.mark.parametrize("name", names("tiling", "enc"))
def test_tiled_and_untiled_encoding_match_the_reference(name):
    file = golden("tiling")
    _, mode, moment = name.split("_")
    posterior = make_vae(**TILED if mode == "tiled" else {}).encode(file["video"]).latent_dist
    assert_matches(getattr(posterior, moment), file[name])


@pytest.mark.parametrize("name", names("tiling", "dec"))
def test_both_rules_of_tiled_decoding_match_the_reference(name):
    file = golden("tiling")
    decoded = make_vae(**TILED).decode(file["z"], extra_corner_tile=name == "dec_tiled_head").sample
    assert_matches(decoded, file[name])


ENCODER_MODULES = {
    "enc.conv_in": "encoder.conv_in",
    **{f"enc.down{level}": f"encoder.down_blocks.{level}" for level in range(4)},
    "enc.mid.res0": "encoder.mid_block.convs.0",
    "enc.mid.attn": "encoder.mid_block.attentions.0",
    "enc.mid": "encoder.mid_block",
    "enc.conv_out": "encoder.conv_out",
    "enc.quant": "quant_conv",
}
DECODER_MODULES = {
    "dec.conv_in": "decoder.conv_in",
    "dec.mid": "decoder.mid_block",
    **{f"dec.up{level}": f"decoder.up_blocks.{level}" for level in range(4)},
}


def outputs_of(vae, paths, call):
    """The outputs of each module during `call`, in order."""
    outputs = {path: [] for path in paths}
    hooks = [
        vae.get_submodule(path).register_forward_hook(lambda _, __, out, path=path: outputs[path].append(out))
        for path in paths
    ]
    call()
    for hook in hooks:
        hook.remove()
    return outputs


@pytest.mark.parametrize("name", names("intermediate", "enc."))
def test_every_stage_of_the_encoder_matches_the_reference(vae, name):
    path = ENCODER_MODULES[name]
    (out,) = outputs_of(vae, [path], lambda: vae.encode(golden("encode")["video"][:, :, :8]))[path]
    assert_matches(out, golden("intermediate")[name])


@pytest.mark.parametrize("name", names("intermediate", "dec."))
def test_every_stage_of_the_decoder_matches_the_reference(vae, name):
    path = "post_quant_conv" if name == "dec.post_quant" else DECODER_MODULES[name.rsplit(".slice", 1)[0]]
    outs = outputs_of(vae, [path], lambda: vae.decode(golden("decode")["z"][:, :, :6]))[path]
    out = torch.cat(outs, dim=2) if name == "dec.post_quant" else outs[int(name[-1])]
    assert_matches(out, golden("intermediate")[name])


@pytest.mark.parametrize("name", ["mean", "logvar", "std"])
def test_the_posterior_is_read_from_the_moments_as_the_reference_does(name):
    file = golden("posterior")
    assert_matches(getattr(Posterior(file["moments"]), name), file[name])


def test_a_posterior_sample_matches_the_reference():
    file = golden("posterior")
    assert_matches(Posterior(file["moments"]).sample_with(file["eps"]), file["sample"])


def test_the_divergence_of_each_item_matches_the_reference():
    file = golden("posterior")
    assert_matches(Posterior(file["kl_moments"]).kl(), file["kl_per_item"])


def test_seam_smoothing_matches_the_reference(vae):
    file = golden("extra")
    pieces = smooth_seams(file["smooth_in"].split(8, dim=2), vae)
    assert_matches(torch.cat(list(pieces), dim=2), file["smooth_out"])


@pytest.mark.parametrize("name", names("extra", "legacy_mean") + names("extra", "legacy_logvar"))
def test_legacy_encoding_matches_the_reference(name):
    video = golden("encode")["video"][:, :, : count_in(name)]
    posterior = make_vae(slice_compression_vae=False).encode(video).latent_dist
    assert_matches(getattr(posterior, name.split("_")[1]), golden("extra")[name])


@pytest.mark.parametrize("name", names("extra", "legacy_dec"))
def test_legacy_decoding_matches_the_reference(name):
    z = golden("decode")["z"][:, :, : count_in(name)]
    assert_matches(make_vae(slice_compression_vae=False).decode(z).sample, golden("extra")[name])


@pytest.mark.parametrize("name", ["mean_f1", "mean_f8", "mean_f24", "mean_f25"])
def test_encoding_in_bfloat16_stays_near_the_reference(name):
    file = golden("encode")
    video = file["video"][:, :, : count_in(name)].bfloat16()
    assert_near_in_bfloat16(make_vae().bfloat16().encode(video).latent_dist.mean, file[name])


@pytest.mark.parametrize("name", ["dec_t1", "dec_t2", "dec_t6", "dec_t7"])
def test_decoding_in_bfloat16_stays_near_the_reference(name):
    file = golden("decode")
    z = file["z"][:, :, : count_in(name)].bfloat16()
    assert_near_in_bfloat16(make_vae().bfloat16().decode(z).sample, file[name])
