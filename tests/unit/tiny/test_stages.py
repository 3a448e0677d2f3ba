"""The stages of the small model's training: their settings are those that made the shipped weights."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from easyanimate.tiny import copy_tiny_model
from easyanimate.tiny.stages import RECIPE, Stage, finish, prepare_stage, read_stages
from easyanimate.training.run.configuration import read_training_settings
from easyanimate.training.tasks.lora_settings import LoraTrainingSettings
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings
from easyanimate.training.tasks.vae_settings import VaeTrainingSettings

KINDS = {"vae": VaeTrainingSettings, "transformer": TransformerTrainingSettings}
# The first half of the SHA-256 of each stage's settings, without defaults and folders, as canonical JSON.
SETTINGS_SHA256 = {
    "01-vae": "77a9386301323373c765b7781f435c1d",
    "02-transformer": "ea4f042b335a88986777542b3a313d43",
    "03-transformer-directions": "34e80a62f7324241588bd3c4aa38e520",
    "04-transformer-directions-repeated": "f026cb972f2170845a863830819fceaf",
    "05-transformer-directions-more-clips": "d100d3ee63ab97261c40ec5615cd1122",
    "06-transformer-fast-motion": "b9f6bd9dbf01810365ba58a3de18d245",
    "07-vae-detail": "660663cf2988747cb1c215fa97dd2a7b",
    "08-transformer-text-attention": "45d05a0c80d8b7bebcc8254f25efefde",
    "09-transformer-outward-motion": "a2368462b1af8970471ffedfdfa011ae",
    "10-transformer-all-motion": "31768436f4aed0befa53c37f43bec646",
    "11-vae-96px": "d178e09522711eae1694b694dfe05a87",
    "12-transformer-96px": "303114942682b47a65be2f0b13c364c9",
    "13-vae-masked-clips": "1d555da39284f63f3a60c7ccfb22ff4b",
    "14-vae-decoder": "c9b756e85ae36e8f4adf9276e6d490a3",
    "15-transformer-masked-clips": "2f2eb79725dec3db0bae0d470ed1dd23",
    "16-vae-decoder-noise": "5b5ebc01cc2ceed7001dbfd3070438d9",
    "17-transformer-start-image": "cbab47f08614c4bb7d1387e831636d32",
    "18-transformer-wordings": "0268d7f1a0b57c1bbf6194cd43cb3c46",
    "19-transformer-wordings-in-place": "2d04f95dba382b6859c2c77cf5a9a397",
    "20-transformer-wordings-longer": "4adf70d5a43c27d9e33cfaa9e7c3f0c8",
    "21-transformer-wordings-both": "9d917c3e7c67d98b47a79174a9ee2874",
    "22-vae-decoder-motions": "41285ae01fbc0643cc4f000a10073857",
    "23-transformer-straight-motions": "2198e7f6678ca2503a411383fac96adf",
}
STAGES = read_stages()


def settings_sha256(stage: Stage, folder: Path) -> str:
    values = {**stage.settings, "run": {**stage.settings["run"], "output": "-"}}
    if stage.kind == "transformer" or stage.continues:
        values["model" if stage.kind == "transformer" else "start"] = "-"
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(values))
    settings = read_training_settings(file, KINDS[stage.kind]).model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_settings_of_a_stage_are_the_recorded_ones(stage: Stage, tmp_path: Path) -> None:
    assert settings_sha256(stage, tmp_path) == SETTINGS_SHA256[stage.name]


def test_stages_are_numbered_in_order_and_continue_earlier_ones() -> None:
    names = [stage.name for stage in STAGES]
    assert names == sorted(SETTINGS_SHA256)
    for position, stage in enumerate(STAGES):
        assert {stage.continues, stage.with_vae} - {None} <= set(names[:position])


@pytest.mark.parametrize(
    "stage",
    [stage for stage in STAGES if not (stage.with_vae or stage.new_words or stage.average)],
    ids=lambda stage: stage.name,
)
def test_the_file_of_a_stage_starts_from_the_result_it_continues(stage: Stage, tmp_path: Path) -> None:
    settings = read_training_settings(prepare_stage(stage, tmp_path), KINDS[stage.kind])
    start = settings.start if stage.kind == "vae" else settings.model
    assert settings.run.output == tmp_path / stage.name
    assert start == (stage.continues and tmp_path / stage.continues / "result")


def test_a_stage_with_another_vae_starts_from_both_results(tmp_path: Path) -> None:
    stage = next(stage for stage in STAGES if stage.continues and stage.with_vae)
    for name, part in ((stage.continues, "transformer"), (stage.continues, "vae"), (stage.with_vae, "")):
        folder = tmp_path / str(name) / "result" / part
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(f"{name} {part}")
    start = read_training_settings(prepare_stage(stage, tmp_path), KINDS[stage.kind]).model
    assert (start / "transformer" / "config.json").read_text() == f"{stage.continues} transformer"
    assert (start / "vae" / "config.json").read_text() == f"{stage.with_vae} "


def test_a_stage_with_a_mean_starts_from_the_mean_of_both_models(tmp_path: Path) -> None:
    stage = next(stage for stage in STAGES if stage.average)
    assert stage.average
    [(other, share)] = stage.average.items()
    for folder in (tmp_path / str(stage.continues) / "result", tmp_path / other):
        copy_tiny_model(folder)
    result = tmp_path / str(stage.continues) / "result" / "transformer" / "diffusion_pytorch_model.safetensors"
    before = load_file(result)
    save_file({name: weight + 1 for name, weight in before.items()}, result, {"format": "pt"})
    start = read_training_settings(prepare_stage(stage, tmp_path), KINDS[stage.kind]).model
    mean = load_file(start / "transformer" / result.name)
    assert mean.keys() == before.keys()
    for name, weight in mean.items():
        torch.testing.assert_close(weight, before[name].float() + 1 - share, atol=2e-3, rtol=1e-3)


def test_the_finished_model_is_the_mean_of_the_last_result_and_those_that_it_names(tmp_path: Path) -> None:
    last = STAGES[-1]
    assert last.result_average
    for folder in (f"{last.name}/result", *last.result_average):
        copy_tiny_model(tmp_path / folder)
    file = Path("transformer", "diffusion_pytorch_model.safetensors")
    before = load_file(tmp_path / last.name / "result" / file)
    save_file(
        {name: weight + 1 for name, weight in before.items()}, tmp_path / last.name / "result" / file, {"format": "pt"}
    )
    shipped = load_file(finish(tmp_path) / file)
    share = 1 - sum(last.result_average.values())
    for name, weight in shipped.items():
        torch.testing.assert_close(weight.float(), before[name].float() + share, atol=4e-3, rtol=1e-3)


def test_the_example_of_a_lora_is_valid() -> None:
    read_training_settings(Path(str(RECIPE / "outlined.toml")), LoraTrainingSettings)
