"""The training task of a transformer: initial weights, trainable parameters, and the written folder."""

import pytest
import torch
from safetensors.torch import save_file

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny import TINY_MODEL
from easyanimate.training.errors import TrainingError
from easyanimate.training.models.from_pixart import FILES, INPUT, NEW_LAYERS
from easyanimate.training.run.configuration import BatchSettings, RunSettings
from easyanimate.training.tasks.transformer_settings import TransformerDataSettings, TransformerTrainingSettings
from easyanimate.training.tasks.transformer_task import TransformerTask

KIND = BatchSettings(frames=8, height=32, width=32, batch_size=1)


def task(models_dir, tmp_path, **changes) -> TransformerTask:
    return TransformerTask(
        TransformerTrainingSettings(
            run=RunSettings(output=tmp_path, steps=1, device="cpu"),
            model=models_dir / TINY_MODEL,
            data=TransformerDataSettings(batches=(KIND,)),
            **changes,
        )
    )


def test_the_result_has_the_card_of_the_start_model(models_dir, tmp_path):
    task(models_dir, tmp_path).save(tmp_path / "result")
    assert (tmp_path / "result" / "card.json").read_bytes() == (models_dir / TINY_MODEL / "card.json").read_bytes()
    EasyAnimatePipeline.from_pretrained(tmp_path / "result")


def test_a_word_of_train_that_no_parameter_contains_is_refused(models_dir, tmp_path):
    with pytest.raises(TrainingError, match=r"no parameter to train has 'attn9' of train in its name; one is \w+"):
        task(models_dir, tmp_path, train=("proj_out", "attn9"))


def test_only_the_named_parameters_are_trainable(models_dir, tmp_path):
    named = task(models_dir, tmp_path, train=("long_connect_fc",)).network.named_parameters()
    assert {name.split(".")[1] for name, parameter in named if parameter.requires_grad} == {"long_connect_fc"}


def test_a_transformer_can_start_from_pixart(models_dir, tmp_path):
    plain = task(models_dir, tmp_path).network.transformer.state_dict()
    weights = {name: value + 1 for name, value in plain.items() if not any(part in f".{name}" for part in NEW_LAYERS)}
    save_file({**weights, INPUT: weights[INPUT][:, :4].contiguous()}, tmp_path / FILES[0])
    loaded = task(models_dir, tmp_path, pixart=tmp_path).network.transformer.state_dict()
    assert torch.equal(loaded["proj_out.weight"], plain["proj_out.weight"] + 1)
    assert not loaded[INPUT][:, 4:].any()
    assert not any(value.any() for name, value in loaded.items() if "temporal_transformer.proj_out." in name)
