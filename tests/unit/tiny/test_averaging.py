"""The mean of two sets of weights."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from easyanimate.tiny.averaging import average_weights
from easyanimate.tiny.stages import read_stages

NETWORKS = ("text_encoder", "image_encoder", "vae", "transformer")


def networks(seed: int) -> SimpleNamespace:
    torch.manual_seed(seed)
    return SimpleNamespace(**{name: nn.Linear(3, 2) for name in NETWORKS})


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_each_weight_is_the_mean_with_the_share_of_the_trained_one(share: float) -> None:
    trained, start = networks(1), networks(2)
    before = deepcopy(trained)
    average_weights(trained, start, share)
    for name in NETWORKS:
        expected = share * getattr(before, name).weight + (1 - share) * getattr(start, name).weight
        torch.testing.assert_close(getattr(trained, name).weight, expected)


def test_equal_weights_stay_equal_to_the_bit() -> None:
    trained, start = networks(1), networks(1)
    average_weights(trained, start, 0.7)
    assert torch.equal(trained.vae.weight, start.vae.weight)


def test_a_stage_with_a_mean_names_a_stage_whose_start_is_written() -> None:
    stages = {stage.name: stage for stage in read_stages()}
    means = [stage.average for stage in stages.values() if stage.average]
    assert means
    for mean in means:
        assert 0 < mean["share"] < 1
        assert stages[mean["start_of"]].new_words  # `prepare_stage` writes the model that it starts from
