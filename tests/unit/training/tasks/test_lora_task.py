"""The training task of a LoRA: its trainable parameters and its file."""

import json

import pytest
import torch
from safetensors.torch import load_file

from easyanimate.lora import applied, read_lora
from easyanimate.tiny import TINY_MODEL
from easyanimate.training.errors import TrainingError
from easyanimate.training.run.configuration import BatchSettings, OptimizerSettings, RunSettings
from easyanimate.training.run.loop import Training
from easyanimate.training.run.single_process import train_lora
from easyanimate.training.tasks.lora_settings import LoraSettings, LoraTrainingSettings
from easyanimate.training.tasks.lora_task import LORA_FILE, LoraTask
from easyanimate.training.tasks.transformer_settings import LossSettings, TransformerDataSettings

pytestmark = pytest.mark.slow

KIND = BatchSettings(frames=8, height=32, width=32, batch_size=2, remembered=8)


def settings(models_dir, tmp_path, **lora) -> LoraTrainingSettings:
    return LoraTrainingSettings(
        run=RunSettings(output=tmp_path, steps=3, device="cpu"),
        model=models_dir / TINY_MODEL,
        optimiser=OptimizerSettings(learning_rate=1e-2),
        loss=LossSettings(steps="uniform"),
        lora=LoraSettings(**{"rank": 4, "alpha": 2.0, **lora}),
        data=TransformerDataSettings(batches=(KIND,)),
    )


def test_a_trained_lora_is_a_file_that_changes_the_model(models_dir, tmp_path):
    training_settings = settings(models_dir, tmp_path, text_encoder=True)
    task = LoraTask(training_settings)
    before = {name: value.clone() for name, value in task.network.state_dict().items() if ".lora_" not in name}
    folder = Training(task, training_settings).train()
    after = task.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    lora = read_lora(folder / LORA_FILE)
    pipe = LoraTask(training_settings).pipe  # a new model
    linear = sum(isinstance(module, torch.nn.Linear) for module in pipe.transformer.modules())
    assert len(lora.transformer) > 80
    assert lora.text_encoder
    assert {low.strength for low in lora.transformer.values()} == {0.5}
    assert any(low.up.any() for low in lora.transformer.values())
    assert linear >= len(lora.transformer)


@pytest.mark.parametrize("text_encoder", [True, False])
def test_a_lora_trains_with_and_without_the_text_encoder(models_dir, tmp_path, text_encoder):
    file = tmp_path / "lora.yaml"
    training_settings = settings(models_dir, tmp_path, text_encoder=text_encoder)
    batch = KIND.model_copy(update={"remembered": 0}).model_dump()
    some = training_settings.model_dump(mode="json", include={"model", "lora", "loss"}, exclude_unset=True)
    run = {"output": str(tmp_path), "steps": 1, "device": "cpu"}
    file.write_text(json.dumps({**some, "run": run, "data": {"batches": [batch]}}))
    assert (train_lora(file, {}) / LORA_FILE).is_file()
    with pytest.raises(TrainingError, match="no parameter to train has 'attn9' of slow in its name"):
        train_lora(file, {"slow": {"attn9": 0.1}})


def test_the_file_has_kohyas_names(models_dir, tmp_path):
    training_settings = settings(models_dir, tmp_path)
    LoraTask(training_settings).save(tmp_path)
    names = set(load_file(tmp_path / LORA_FILE))
    long = "lora_unet__transformer_blocks_3_attn_temporal_temporal_transformer_transformer_blocks_0_attention_blocks_1"
    assert f"{long}_to_out_0.lora_up.weight" in names
    assert not any(name.startswith("lora_te_") for name in names)


def test_a_new_lora_changes_nothing(models_dir, tmp_path):
    training_settings = settings(models_dir, tmp_path)
    LoraTask(training_settings).save(tmp_path)
    plain = LoraTask(training_settings.model_copy(update={"lora": LoraSettings(rank=4, targets=("adaln_single",))}))
    assert all(not low.up.any() for low in read_lora(tmp_path / LORA_FILE).transformer.values())
    trainable = [name for name, p in plain.network.named_parameters() if p.requires_grad]
    assert trainable
    assert all("adaln_single" in name and ".lora_" in name for name in trainable)


def test_targets_that_match_no_layer_are_refused(models_dir, tmp_path):
    with pytest.raises(TrainingError, match=r"no linear layer's name holds one of lora\.targets \['attn9'\]"):
        LoraTask(settings(models_dir, tmp_path, targets=("attn9",)))


def test_a_written_lora_can_be_applied(models_dir, tmp_path):
    training_settings = settings(models_dir, tmp_path)
    folder = Training(LoraTask(training_settings), training_settings).train()
    from easyanimate.pipeline import EasyAnimatePipeline

    pipe = EasyAnimatePipeline.from_pretrained(models_dir / TINY_MODEL)
    arguments = {
        "height": 64,
        "width": 64,
        "num_frames": 8,
        "num_inference_steps": 2,
        "generator": 0,
        "output_type": "latent",
    }
    plain = pipe("a red circle", **arguments).frames
    with applied(pipe, [(read_lora(folder / LORA_FILE), 1.0)]) as (report,):
        changed = pipe("a red circle", **arguments).frames
    assert not report.unused
    assert not torch.allclose(plain, changed, atol=1e-4)
