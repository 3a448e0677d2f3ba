"""A video model with the weights of PixArt generates each frame as PixArt does."""

import pytest
import torch
from diffusers import PixArtTransformer2DModel

from easyanimate.training.errors import TrainingError
from easyanimate.training.models.from_pixart import load_pixart_weights
from easyanimate.transformer import EasyAnimateTransformer3DModel
from tests.small_transformer import small_config


def video_model(**changes) -> EasyAnimateTransformer3DModel:
    torch.manual_seed(1)
    return EasyAnimateTransformer3DModel(**small_config(**changes)).eval()


@torch.no_grad()
def trained_model() -> EasyAnimateTransformer3DModel:
    """A video model without zero parameters, as after a training."""
    model = video_model()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) / 10)
    return model


@pytest.fixture(scope="module")
def pixart(tmp_path_factory):
    """A small image model with random weights, and its folder."""
    torch.manual_seed(0)
    model = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=8,
        num_layers=4,
        norm_num_groups=1,
        cross_attention_dim=32,
        caption_channels=20,
        sample_size=8,
        patch_size=2,
        interpolation_scale=1,
        use_additional_conditions=False,
    ).eval()
    folder = tmp_path_factory.mktemp("pixart")
    model.save_pretrained(folder)
    return model, folder


@torch.no_grad()
@pytest.mark.parametrize("make", [video_model, trained_model], ids=["fresh", "trained"])
def test_each_frame_is_generated_as_by_pixart(pixart, make):
    image_model, folder = pixart
    model = make()
    load_pixart_weights(model, folder)
    generator = torch.Generator().manual_seed(2)
    latents, inpaint_latents = (torch.randn(2, channels, 3, 8, 8, generator=generator) for channels in (4, 8))
    text, image = torch.randn(2, 7, 20, generator=generator), torch.zeros(2, 24)
    timestep = torch.tensor([10, 700])
    output = model(
        latents,
        timestep,
        text,
        inpaint_latents=inpaint_latents,
        clip_encoder_hidden_states=image,
        clip_attention_mask=torch.zeros(2, 3),
    ).sample
    for frame in range(3):
        alone = image_model(
            latents[:, :, frame], text, timestep, added_cond_kwargs=dict.fromkeys(("resolution", "aspect_ratio"))
        )
        assert torch.allclose(output[:, :, frame], alone.sample, atol=1e-5)


def test_another_network_is_refused(pixart):
    with pytest.raises(TrainingError, match="no PixArt-alpha transformer of this size"):
        load_pixart_weights(video_model(num_layers=6, uvit_skip_pairs=[[0, 5]]), pixart[1])


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=f"pixart must be the folder of a PixArt-alpha transformer: .*{tmp_path}"):
        load_pixart_weights(video_model(), tmp_path)
