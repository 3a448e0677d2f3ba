"""The mean of two sets of weights."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from easyanimate.tiny.averaging import average_weights
from easyanimate.tiny.stages import read_stages

NETWORKS = ("text_encoder", "image_encoder", "transformer")


def networks(seed: int) -> SimpleNamespace:
    torch.manual_seed(seed)
    return SimpleNamespace(**{name: nn.Linear(3, 2) for name in (*NETWORKS, "vae")})


@pytest.mark.parametrize(("share", "share_of_third"), [(0.0, 0.0), (0.25, 0.0), (0.25, 0.1), (1.0, 0.0)])
def test_each_weight_is_the_mean_by_the_shares(share: float, share_of_third: float) -> None:
    trained, second, third = networks(1), networks(2), networks(3)
    before = deepcopy(trained)
    average_weights(trained, [(second, share), (third, share_of_third)])
    for name in NETWORKS:
        first, *others = (getattr(each, name).weight for each in (before, second, third))
        expected = (1 - share - share_of_third) * first + share * others[0] + share_of_third * others[1]
        torch.testing.assert_close(getattr(trained, name).weight, expected)


def test_the_vae_stays() -> None:
    trained, before = networks(1), networks(1)
    average_weights(trained, [(networks(2), 0.5)])
    assert torch.equal(trained.vae.weight, before.vae.weight)


def test_equal_weights_stay_equal_to_the_bit() -> None:
    trained, other = networks(1), networks(1)
    average_weights(trained, [(other, 0.3)])
    assert torch.equal(trained.transformer.weight, other.transformer.weight)


def test_shares_of_more_than_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.7, 0\.5.* exceed 1"):
        average_weights(networks(1), [(networks(2), 0.7), (networks(3), 0.5)])


def test_a_mean_names_models_that_are_written_before_it() -> None:
    stages = {stage.name: stage for stage in read_stages()}
    means = [(stage, mean) for stage in stages.values() for mean in (stage.average, stage.result_average) if mean]
    assert len(means) == 2
    for stage, mean in means:
        assert 0 < sum(mean.values()) < 1
        for folder in mean:
            name, _, part = folder.partition("/")
            assert name < stage.name
            assert part == "result" or (part == "start" and stages[name].new_words)  # which `prepare_stage` writes
