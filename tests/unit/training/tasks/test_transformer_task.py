"""A transformer in training: what it begins as, what learns of it, and its folder in the end."""

import pytest
import torch
from safetensors.torch import save_file

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny import TINY_MODEL
from easyanimate.training.errors import TrainingError
from easyanimate.training.models.from_pixart import FILES, INPUT, NEW
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


def test_the_result_has_the_card_of_the_model_it_began_as(models_dir, tmp_path):
    task(models_dir, tmp_path).save(tmp_path / "result")
    assert (tmp_path / "result" / "card.json").read_bytes() == (models_dir / TINY_MODEL / "card.json").read_bytes()
    EasyAnimatePipeline.from_pretrained(tmp_path / "result")


def test_a_word_to_train_that_is_in_no_name_is_refused(models_dir, tmp_path):
    with pytest.raises(TrainingError, match=r"no parameter to train has 'attn9' of train in its name; one is \w+"):
        task(models_dir, tmp_path, train=("proj_out", "attn9"))


def test_only_what_is_named_learns(models_dir, tmp_path):
    named = task(models_dir, tmp_path, train=("long_connect_fc",)).network.named_parameters()
    assert {name.split(".")[1] for name, parameter in named if parameter.requires_grad} == {"long_connect_fc"}


def test_a_transformer_may_begin_as_pixart(models_dir, tmp_path):
    plain = task(models_dir, tmp_path).network.transformer.state_dict()
    given = {name: value + 1 for name, value in plain.items() if not any(part in f".{name}" for part in NEW)}
    save_file({**given, INPUT: given[INPUT][:, :4].contiguous()}, tmp_path / FILES[0])
    begun = task(models_dir, tmp_path, pixart=tmp_path).network.transformer.state_dict()
    assert torch.equal(begun["proj_out.weight"], plain["proj_out.weight"] + 1)
    assert not begun[INPUT][:, 4:].any()
    assert not any(value.any() for name, value in begun.items() if "temporal_transformer.proj_out." in name)
