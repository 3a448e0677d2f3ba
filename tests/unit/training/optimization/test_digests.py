"""What may change when a training goes on, and how the rest is told."""

from pathlib import Path

import pytest

from easyanimate.training.optimization.digests import difference, facts_of, value_digest
from easyanimate.training.run.configuration import BatchSettings, RunSettings
from easyanimate.training.tasks.vae_settings import VaeDataSettings, VaeTrainingSettings

BATCH = BatchSettings(frames=8, batch_size=2)


def settings(**changes) -> VaeTrainingSettings:
    run = RunSettings(output=Path("there"), steps=10, **changes.pop("run", {}))
    data = changes.pop("data", VaeDataSettings(batches=(BATCH,)))
    return VaeTrainingSettings(run=run, data=data, **changes)


def test_the_same_settings_differ_in_nothing():
    assert difference(facts_of(settings(), processes=2), facts_of(settings(), processes=2)) == ""


@pytest.mark.parametrize(
    "change", [{"run": {"log_every": 3}}, {"optimiser": {"learning_rate": 1e-9}}, {"optimiser": {"final": 0.5}}]
)
def test_how_long_and_how_fast_may_change(change):
    assert difference(facts_of(settings()), facts_of(settings(**change))) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run": {"seed": 4}}, "run.seed was 0 and is 4"),
        ({"optimiser": {"kind": "muon"}}, 'optimiser.kind was "adamw" and is "muon"'),
        ({"data": VaeDataSettings(batches=(BATCH, BATCH))}, "data.batches.1.frames was null and is 8"),
        ({"ema": {"decay": 0.9}}, "ema.decay was null and is 0.9"),
        ({"latent_noise": 0.1, "freeze_encoder": True}, "freeze_encoder was false and is true, latent_noise was 0.0"),
    ],
)
def test_what_changed_is_named_with_both_values(change, said):
    assert said in difference(facts_of(settings()), facts_of(settings(**change)))


def test_other_facts_have_another_name():
    assert value_digest(facts_of(settings())) == value_digest(facts_of(settings(run={"log_every": 7})))
    assert value_digest(facts_of(settings())) != value_digest(facts_of(settings(run={"seed": 7})))
