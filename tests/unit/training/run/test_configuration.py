"""Validation of the settings of a training, and changes from a command line."""

import json

import pytest

from easyanimate.training.errors import TrainingError
from easyanimate.training.losses.discriminators import ClipDiscriminator
from easyanimate.training.run.configuration import read_training_settings
from easyanimate.training.tasks.lora_settings import LoraTrainingSettings
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings
from easyanimate.training.tasks.vae_settings import AdversarySettings, VaeTrainingSettings

KINDS = {"vae": VaeTrainingSettings, "transformer": TransformerTrainingSettings, "lora": LoraTrainingSettings}
BATCH = {"frames": 8, "height": 64, "width": 32, "batch_size": 2}
FILES = {"metadata": "list.json"}
COMMON = {"run": {"output": "runs/one", "steps": 10}, "data": {"batches": [BATCH, BATCH]}}


@pytest.fixture
def read(tmp_path):
    """Reads the settings of a kind with changes from a command line."""

    def read(kind: str, changes: dict):
        file = tmp_path / "train.yaml"
        file.write_text(json.dumps(COMMON if kind == "vae" else {**COMMON, "model": "models/one"}))
        return read_training_settings(file, KINDS[kind], changes)

    return read


@pytest.mark.parametrize("kind", KINDS)
def test_plain_settings_are_valid(read, kind):
    assert read(kind, {}).run.steps == 10


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("vae", {"data.batches.1.crop": 40}, "data.batches.1: crop must be at most height and width, 64x32, got 40"),
        ("transformer", {"data.batches.1.crop": 32}, "data: batches.1 cannot have crop: only a VAE"),
        ("lora", {"data.batches.0.crop": 32}, "data: batches.0 cannot have crop: only a VAE"),
        ("vae", {"data.batches.0.remembered": 64}, "data: batches.0 cannot have remembered: a VAE"),
        ("lora", {"data.batches.0.remembered": 64, "data.files": FILES}, "cannot have remembered: files have buckets"),
        ("vae", {"data.batches.0.crop": 32, "data.files": FILES}, "cannot have crop: files have no shape"),
        ("vae", {"data.batches.0.until": 0.0}, "after must be less than until, 0.0, got 0.0"),
        ("vae", {"data.batches.0.after": 0.5, "data.batches.0.until": 0.4}, "after must be less than until, 0.4"),
        ("transformer", {"data.batches.0.remembered": 1}, "remembered must be 0 or at least batch_size, 2, got 1"),
        ("lora", {"data.batches.0.height": 40}, "batches.0: height and width must be multiples of 16, got 40x"),
        ("vae", {"optimiser.betas": [0.9, 1.0]}, "optimiser.betas.1: Input should be less than 1"),
        ("transformer", {"slow": {"attn1": -1}}, "slow.attn1: Input should be greater than or equal to 0"),
        ("transformer", {"probe.timesteps": [1000]}, "probe.timesteps.0: Input should be less than 1000"),
        ("vae", {"start": "a", "standardise": True, "loss.anchor": 0.1}, "latents that loss.anchor keeps"),
        ("vae", {"data.world.shapes": ["star"]}, "shapes must be some of circle, square, triangle, cross, got"),
        ("vae", {"data.world.colours": []}, "colours must be some of red, green"),
        ("vae", {"data.world.style": "dotted"}, "style must be one of filled, outlined, got 'dotted'"),
        ("vae", {"data.world.colours": ["red"], "data.world.backgrounds": ["red"]}, "no scene can be made"),
        ("vae", {"run.mixed_precision": "fp16"}, "run.mixed_precision: Input should be 'no' or 'bf16'"),
        ("vae", {"latent_noise": 0.1}, "latent_noise needs freeze_encoder = true"),
        ("vae", {"start": "runs/zero", "vae.ch": 16}, "vae and start exclude each other"),
        ("vae", {"start": "runs/zero", "freeze_encoder": True, "standardise": True}, "standardise changes"),
        ("vae", {"adversary.width": 24}, "width must be at most 8, or 16, or a multiple of 32, got 24"),
        ("lora", {"train": ["proj_out"]}, "a LoRA has no train; use lora.targets and lora.text_encoder"),
        ("lora", {"train_text_encoder": False}, "a LoRA has no train_text_encoder"),
        ("lora", {"train_image_encoder": True}, "a LoRA has no train_image_encoder"),
        ("lora", {"renew_text_encoder": ["block"], "pixart": "x"}, "a LoRA has no pixart or renew_text_encoder"),
        ("transformer", {"loss.snr_power": -0.5}, "loss: kind = 'v3' has no snr_power; kind = 'noise' has"),
        ("transformer", {"loss.start": 2, "loss.snr_limits": [1, 2]}, "kind = 'v3' has no snr_limits or start;"),
        ("transformer", {"loss.kind": "noise", "loss.snr_variant": True}, "kind = 'noise' has no snr_variant;"),
        ("transformer", {"loss.kind": "noise", "loss.snr_limits": [2, 1]}, "the lower one first, got [2.0, 1.0]"),
        ("transformer", {"loss.kind": "noise", "loss.snr_limits": [0, 1]}, "snr_limits must be more than 0"),
    ],
)
def test_invalid_settings_are_refused_in_a_sentence(read, kind, changes, message):
    with pytest.raises(TrainingError) as refused:
        read(kind, changes)
    assert message in str(refused.value)
    assert "Value error" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("vae", {"start": "runs/zero", "freeze_encoder": True, "latent_noise": 0.3}),
        ("vae", {"vae.ch": 16, "standardise": True, "data.batches.0.crop": 32}),
        ("transformer", {"data.batches.0.remembered": 2, "pixart": "models/pixart"}),
        ("transformer", {"loss.kind": "noise", "loss.start": 4, "loss.snr_power": -0.5}),
        ("lora", {"slow": {"attn1": 0.1}, "lora.text_encoder": True, "data.files": FILES}),
    ],
)
def test_valid_settings_are_accepted(read, kind, changes):
    read(kind, changes)


def test_a_width_is_accepted_exactly_if_the_discriminators_accept_it():
    for width in range(1, 70):
        assert _works(AdversarySettings, width) == _works(ClipDiscriminator, width), width


def _works(build, width: int) -> bool:
    try:
        build(width=width)
    except ValueError:
        return False
    return True


def test_one_entry_of_a_list_can_be_changed(read):
    first, second = read("vae", {"data.batches.1.batch_size": 4}).data.batches
    assert (first.batch_size, second.batch_size, second.height) == (2, 4, 64)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("run.steps.most", "run.steps.most cannot be set: run.steps is 10, no table or list"),
        ("data.batches.2.height", "data.batches is a list, '2' is no number below 2"),
        ("data.batches.-1", "data.batches is a list, '-1' is no number below 2"),
        ("data.batches.first.height", "data.batches is a list, 'first' is no number below 2"),
    ],
)
def test_an_invalid_path_of_a_setting_is_refused(read, path, message):
    with pytest.raises(TrainingError) as refused:
        read("vae", {path: 8})
    assert message in str(refused.value)
