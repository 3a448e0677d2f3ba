"""The adversarial and perceptual losses of VAE training, and which networks they train."""

import pytest
import torch
from safetensors.torch import save_file

from easyanimate.training.errors import TrainingError
from easyanimate.training.losses.adversary import AdversarialLoss, adaptive_weight
from easyanimate.training.losses.discriminators import (
    ClipDiscriminator,
    FrameDiscriminator,
    blur_downsample,
    hinge_loss,
)
from easyanimate.training.losses.perceptual import PerceptualLoss
from easyanimate.training.run.configuration import BatchSettings, OptimizerSettings, RunSettings
from easyanimate.training.run.loop import Training
from easyanimate.training.tasks.vae_settings import AdversarySettings, VaeDataSettings, VaeTrainingSettings
from easyanimate.training.tasks.vae_task import VaeTask


@pytest.mark.parametrize("frames", [1, 8])
def test_discriminators_return_maps_for_frames_and_clips(frames):
    assert ClipDiscriminator(8)(torch.rand(2, 3, frames, 32, 32)).shape[:2] == (2, 1)
    assert FrameDiscriminator(8)(torch.rand(2, 3, 64, 64)).shape == (2, 1, 6, 6)


def test_a_blur_keeps_a_constant_level_inside():
    assert torch.allclose(blur_downsample(torch.ones(1, 2, 8, 8, 8))[:, :, 1:-1, 1:-1, 1:-1], torch.tensor(1.0))


def test_the_hinge_loss_is_0_beyond_the_margins():
    assert hinge_loss(torch.tensor([1.5]), torch.tensor([-2.0])) == 0
    assert hinge_loss(torch.tensor([0.0]), torch.tensor([0.0])) == 1


def test_the_generator_loss_trains_the_vae_alone_and_the_discriminator_loss_the_discriminators():
    torch.manual_seed(0)
    adversary, layer = AdversarialLoss(8, 0.5), torch.nn.Parameter(torch.ones(1))
    pixels = torch.rand(1, 3, 8, 32, 32)
    decoded = pixels * layer
    error = (decoded - pixels - 0.1).abs().mean()
    generator_loss, own = adversary(pixels, decoded, error, layer)
    generator_loss.backward(retain_graph=True)
    assert all(p.grad is None for p in adversary.parameters())
    assert layer.grad is not None
    layer.grad = None
    own.backward()
    assert layer.grad is None
    assert all(p.grad is not None for p in adversary.parameters())


def test_the_adversarial_gradient_is_scaled_to_that_of_the_error():
    layer = torch.nn.Parameter(torch.ones(3))
    error, generator_loss = (layer * torch.tensor([3.0, 0.0, 4.0])).sum(), layer.sum() * 0.01
    weight = adaptive_weight(error, generator_loss, layer)
    assert weight * 0.01 * 3**0.5 == pytest.approx(5.0, rel=0.02)


def test_a_vae_trains_with_discriminators(tmp_path):
    settings = VaeTrainingSettings(
        run=RunSettings(output=tmp_path, steps=4, device="cpu", log_every=1),
        optimiser=OptimizerSettings(betas=(0.5, 0.9)),
        vae={"ch": 8, "ch_mult": [1, 1, 1, 2], "layers_per_block": 1, "norm_num_groups": 1},
        adversary=AdversarySettings(width=8, after=0.5),
        data=VaeDataSettings(batches=(BatchSettings(frames=8, height=32, width=32, batch_size=1),)),
    )
    Training(VaeTask(settings), settings).train()
    losses = (tmp_path / "losses.csv").read_text()
    assert "1,critics" not in losses
    assert "2,critics" in losses
    saved = (tmp_path / "result" / "config.json").read_text()
    assert "AutoencoderKLSlice" in saved


def test_discriminators_of_two_trainings_start_with_the_same_weights(tmp_path):
    settings = VaeTrainingSettings(
        run=RunSettings(output=tmp_path, steps=4),
        vae={"ch": 8, "ch_mult": [1, 1, 1, 2], "layers_per_block": 1, "norm_num_groups": 1},
        adversary=AdversarySettings(width=8),
        data=VaeDataSettings(batches=(BatchSettings(frames=8, height=32, width=32, batch_size=1),)),
    )
    one, other = (VaeTask(settings).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    named = {
        name: value * 1.0 for name, value in PerceptualLoss().named_weights().items() if name.startswith("features")
    }
    save_file(named, file)
    assert list(named)[-2:] == ["features.28.weight", "features.28.bias"]  # torchvision's last convolution
    return file


def test_the_distance_grows_with_the_difference_of_two_images(vgg):
    network, image = PerceptualLoss.load(vgg), torch.rand(1, 3, 32, 32) * 2 - 1
    noise = torch.randn(1, 3, 32, 32)
    same, near, far = (float(network(image, image + share * noise)) for share in (0.0, 0.05, 0.5))
    assert same == 0
    assert 0 < near < far


def test_a_file_without_vgg16_is_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(TrainingError, match=r"has no features\.0\.weight of shape \[64, 3, 3, 3\]"):
        PerceptualLoss.load(tmp_path / "a.safetensors")
