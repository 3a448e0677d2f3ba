"""The training task of a VAE: initial weights, batches, losses, and standardised latents."""

import pytest
import torch

from easyanimate.training.run.configuration import BatchSettings, RunSettings
from easyanimate.training.tasks.task import TaskContext
from easyanimate.training.tasks.vae_settings import VaeDataSettings, VaeLossSettings, VaeTrainingSettings
from easyanimate.training.tasks.vae_task import VaeTask, standardise_latents

SMALL = {"ch": 8, "ch_mult": [1, 1, 1, 2], "layers_per_block": 1, "norm_num_groups": 1}
BATCH = BatchSettings(frames=8, height=32, width=32, batch_size=2)


def task(tmp_path, **changes) -> VaeTask:
    data = VaeDataSettings(batches=(BATCH,), **changes.pop("data", {}))
    run = RunSettings(output=tmp_path, steps=10)
    vae = {} if "start" in changes else SMALL
    return VaeTask(VaeTrainingSettings(run=run, vae=vae, data=data, **changes))


def test_standardised_latents_have_mean_0_and_deviation_1_and_decode_to_the_same_pixels(tmp_path):
    vae = task(tmp_path).vae.eval()
    clips = [torch.rand(2, 3, 8, 32, 32) * 2 - 1 for _ in range(3)]
    with torch.no_grad():
        before = vae(clips[0]).sample
        spread = vae.encode(clips[0]).latent_dist.std
        standardise_latents(vae, clips)
        latents = torch.cat([vae.encode(clip).latent_dist.mean.flatten(2) for clip in clips], 2)
        assert torch.allclose(vae(clips[0]).sample, before, atol=1e-4)
    flat = latents.transpose(0, 1).flatten(1)
    assert torch.allclose(flat.mean(1), torch.zeros(4), atol=1e-4)
    assert torch.allclose(flat.std(1), torch.ones(4), atol=1e-4)
    assert vae.config["scaling_factor"] == 1.0
    assert not torch.allclose(vae.encode(clips[0]).latent_dist.std, spread)


def test_a_batch_depends_on_its_context_only(tmp_path):
    one, same = (task(tmp_path).batch(TaskContext(0, 3, 10)) for _ in range(2))
    other = task(tmp_path).batch(TaskContext(0, 3, 10, process=1))
    assert torch.equal(one["pixels"], same["pixels"])
    assert not torch.equal(one["pixels"], other["pixels"])


def test_a_frozen_encoder_has_no_trainable_parameters(tmp_path):
    network = task(tmp_path, freeze_encoder=True).network
    trainable = {name.split(".")[1] for name, p in network.named_parameters() if p.requires_grad}
    assert trainable == {"decoder", "post_quant_conv"}


@pytest.mark.parametrize(("share", "value"), [("masked", -1.0), ("masks", 1.0)])
def test_masked_clips_and_masks_are_among_the_clips(tmp_path, share, value):
    pixels = task(tmp_path, data={share: 1.0}).batch(TaskContext(0, 0, 10))["pixels"]
    is_masked = (pixels == value).flatten(3).all(3).all(1)  # [B, F]
    assert not is_masked[:, 0].any()
    assert (is_masked.sum(1) >= BATCH.frames - 8).all()
    assert is_masked.any()


def test_the_loss_is_the_kl_divergence_if_other_weights_are_0(tmp_path):
    vae_task = task(tmp_path, loss={"l1": 0.0, "l2": 0.0, "kl": 1.0})
    losses = vae_task.network(vae_task.batch(TaskContext(0, 0, 10)))
    assert torch.allclose(losses["loss"], losses["kl"])


def test_the_anchor_loss_is_the_distance_from_the_first_latents(tmp_path):
    task(tmp_path).vae.save_pretrained(tmp_path / "vae")
    kept = task(tmp_path, start=tmp_path / "vae", loss={"l1": 0.0, "kl": 0.0, "anchor": 2.0})
    batch = kept.batch(TaskContext(0, 0, 10))
    assert kept.network(batch)["loss"] == 0
    with torch.no_grad():
        kept.vae.quant_conv.bias[:4] += 0.5
    losses = kept.network(batch)
    assert torch.allclose(losses["drift"], torch.tensor(0.25), atol=1e-5)
    assert torch.allclose(losses["loss"], torch.tensor(0.5), atol=1e-5)
    assert not any(p.requires_grad for name, p in kept.network.named_parameters() if name.startswith("first."))


def test_an_anchor_without_a_start_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"loss\.anchor needs start"):
        task(tmp_path, loss={"anchor": 1.0})


def test_the_first_frame_has_its_own_loss(tmp_path):
    network = task(tmp_path, loss=VaeLossSettings(l1=1.0, l2=2.0, kl=0.0, first=0.5)).network
    pixels, decoded = torch.zeros(1, 3, 8, 4, 4), torch.zeros(1, 3, 8, 4, 4)
    decoded[:, :, 0] = 0.5
    loss = torch.as_tensor(network._first_frame_loss(decoded, pixels))
    assert torch.allclose(loss, torch.tensor(0.5 * (0.5 + 2 * 0.25)))
    assert network._first_frame_loss(decoded[:, :, :1], pixels[:, :, :1]) == 0.0
