"""Trainings of a transformer, from the small model: trainable parts and losses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny import TINY_MODEL
from easyanimate.tiny.fresh import make_fresh_pipeline
from easyanimate.training.run.loop import Training
from easyanimate.training.tasks.task import TaskContext
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings
from easyanimate.training.tasks.transformer_task import TransformerTask
from tests.training_losses import read_losses

pytestmark = pytest.mark.slow

NONE = {"caption": 0.0, "image": 0.0}
BATCH = {"frames": 8, "height": 32, "width": 32, "batch_size": 2}


def settings(folder: Path, model: Path, **changes) -> TransformerTrainingSettings:
    run = {"output": folder, "steps": 3, "device": "cpu", "log_every": 1, **changes.pop("run", {})}
    config = {
        "run": run,
        "model": model,
        "data": {"batches": [BATCH]},
        "optimiser": {"learning_rate": 1e-3},
        **changes,
    }
    return TransformerTrainingSettings.model_validate(config)


def losses(config: TransformerTrainingSettings) -> dict[int, float]:
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has one state, with one precision
    Training(TransformerTask(config), config).train()
    return read_losses(config.run.output / "losses.csv")


@pytest.fixture
def model(models_dir) -> Path:
    return models_dir / TINY_MODEL


@pytest.fixture(scope="module")
def plain(tmp_path_factory, models_dir) -> dict[int, float]:
    """The losses of three steps in float32, with plain settings."""
    return losses(settings(tmp_path_factory.mktemp("plain"), models_dir / TINY_MODEL))


def test_a_new_model_learns_and_its_result_generates_videos(tmp_path, model):
    fresh = make_fresh_pipeline(tmp_path / "fresh", EasyAnimatePipeline.from_pretrained(model).vae)
    fresh.save_pretrained(tmp_path / "fresh")
    config = settings(
        tmp_path / "run",
        tmp_path / "fresh",
        run={"steps": 30},
        train=[""],
        train_text_encoder=True,
        train_image_encoder=True,
        loss={"kind": "noise", "steps": "stratified"},
        optimiser={"kind": "muon", "learning_rate": 2e-3, "muon_learning_rate": 2e-3, "warmup_steps": 5},
        ema={"decay": 0.9},
        data={"batches": [{**BATCH, "batch_size": 8, "remembered": 32}]},
    )
    values = list(losses(config).values())
    assert sum(values[-10:]) < 0.8 * sum(values[:10])
    pipe = EasyAnimatePipeline.from_pretrained(tmp_path / "run" / "result")
    result = pipe(
        "a red circle", height=32, width=32, num_frames=8, num_inference_steps=2, generator=0, output_type="np"
    )
    assert result.frames.shape[-4:] == (8, 32, 32, 3)


def test_the_losses_do_not_depend_on_gradient_checkpointing(tmp_path, model, plain):
    assert losses(settings(tmp_path, model, gradient_checkpointing=True)) == pytest.approx(plain, rel=1e-5)


def test_bfloat16_trains_to_nearly_the_same_losses(tmp_path, model, plain):
    assert losses(settings(tmp_path, model, run={"mixed_precision": "bf16"})) == pytest.approx(plain, rel=0.05)


def test_an_accumulated_step_has_the_mean_loss_and_gradient_of_its_parts(tmp_path, model):
    def first_step(name: str, parts: int) -> tuple[float, float]:
        config = settings(tmp_path / name, model, run={"gradient_accumulation_steps": parts, "steps": 1}, dropout=NONE)
        losses(config)
        values = (read_losses(config.run.output / "losses.csv", name)[0] for name in ("loss", "gradient_norm"))
        return tuple(values)

    class SamePart(TransformerTask):
        def batch(self, context: TaskContext) -> dict[str, torch.Tensor]:
            return super().batch(replace(context, accumulation_step=0))

    config = settings(tmp_path / "same", model, run={"gradient_accumulation_steps": 3, "steps": 1}, dropout=NONE)
    AcceleratorState._reset_state(reset_partial_state=True)
    Training(SamePart(config), config).train()
    same = [read_losses(config.run.output / "losses.csv", name)[0] for name in ("loss", "gradient_norm")]
    assert same == pytest.approx(first_step("one", 1), rel=1e-4)  # three times the same part is that part
    assert first_step("three", 3) != pytest.approx(first_step("again", 1), rel=1e-4)


def test_only_the_named_parts_are_trained(tmp_path, model):
    config = settings(tmp_path, model, train=["attn_temporal"])
    task = TransformerTask(config)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    training = Training(task, config)
    assert (task.network.transformer.training, task.network.text_encoder.training) == (True, False)
    training.train()
    changed = {name for name, value in task.network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all("attn_temporal" in name for name in changed)


def test_dropout_is_off_in_a_frozen_encoder_and_depends_on_the_step_in_a_trained_one(tmp_path, model):
    def with_dropout(name: str, **changes) -> dict[int, float]:
        config = settings(tmp_path / name, model, **changes)
        task = TransformerTask(config)
        for module in task.network.text_encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.5
        Training(task, config).train()
        return read_losses(config.run.output / "losses.csv")

    assert with_dropout("frozen") == losses(settings(tmp_path / "none", model))
    trained = with_dropout("one", train_text_encoder=True)
    assert trained != losses(settings(tmp_path / "plain", model, train_text_encoder=True))
    torch.rand(7)  # earlier random numbers have no effect
    assert with_dropout("again", train_text_encoder=True) == trained


def test_clips_encoded_with_other_settings_are_not_used_again(tmp_path, model):
    batches = {"batches": [{**BATCH, "remembered": 64}]}
    for masks in ({"nothing": 1.0, "start": 1.0}, {"nothing": 1.0, "start": 1.0}, {"single": 1.0}):
        TransformerTask(settings(tmp_path, model, data=batches, masks=masks))
    folders = list((tmp_path / "remembered").iterdir())
    assert len(folders) == 2
    ends = [load_file(next(folder.iterdir()))["ends"] for folder in folders]
    assert sorted(int(numbers[:, 0].max()) for numbers in ends) == [1, 4]


def test_a_start_image_has_its_own_weight_in_the_loss(tmp_path, model):
    start = {"masks": {"nothing": 0, "start": 1, "ends": 0}}
    more = losses(settings(tmp_path / "more", model, loss={"kind": "noise", "start": 5.0}, **start))
    equal = losses(settings(tmp_path / "alike", model, loss={"kind": "noise"}, **start))
    assert more[0] != equal[0]
    none = {"masks": {"nothing": 1, "start": 0, "ends": 0}}
    more = losses(settings(tmp_path / "none", model, loss={"kind": "noise", "start": 5.0}, **none))
    equal = losses(settings(tmp_path / "none_alike", model, loss={"kind": "noise"}, **none))
    assert more[0] == pytest.approx(equal[0], rel=1e-5)
