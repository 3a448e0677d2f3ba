"""Settings that may change when a training is resumed, and the message for all others."""

from pathlib import Path

import pytest

from easyanimate.training.optimization.digests import describe_changes, fixed_settings, settings_digest
from easyanimate.training.run.configuration import BatchSettings, RunSettings
from easyanimate.training.tasks.vae_settings import VaeDataSettings, VaeTrainingSettings

BATCH = BatchSettings(frames=8, batch_size=2)


def settings(**changes) -> VaeTrainingSettings:
    run = RunSettings(output=Path("there"), steps=10, **changes.pop("run", {}))
    data = changes.pop("data", VaeDataSettings(batches=(BATCH,)))
    return VaeTrainingSettings(run=run, data=data, **changes)


def test_equal_settings_have_no_changes():
    assert describe_changes(fixed_settings(settings(), processes=2), fixed_settings(settings(), processes=2)) == ""


@pytest.mark.parametrize(
    "change", [{"run": {"log_every": 3}}, {"optimiser": {"learning_rate": 1e-9}}, {"optimiser": {"final": 0.5}}]
)
def test_steps_and_learning_rate_may_change(change):
    assert describe_changes(fixed_settings(settings()), fixed_settings(settings(**change))) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": {"seed": 4}}, "run.seed was 0 and is 4"),
        ({"optimiser": {"kind": "muon"}}, 'optimiser.kind was "adamw" and is "muon"'),
        ({"data": VaeDataSettings(batches=(BATCH, BATCH))}, "data.batches.1.frames was null and is 8"),
        ({"ema": {"decay": 0.9}}, "ema.decay was null and is 0.9"),
        ({"latent_noise": 0.1, "freeze_encoder": True}, "freeze_encoder was false and is true, latent_noise was 0.0"),
    ],
)
def test_a_change_is_reported_with_both_values(change, message):
    assert message in describe_changes(fixed_settings(settings()), fixed_settings(settings(**change)))


def test_other_settings_have_another_digest():
    assert settings_digest(fixed_settings(settings())) == settings_digest(
        fixed_settings(settings(run={"log_every": 7}))
    )
    assert settings_digest(fixed_settings(settings())) != settings_digest(fixed_settings(settings(run={"seed": 7})))
