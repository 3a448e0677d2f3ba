"""Layers of a text encoder that begin anew."""

import pytest
import torch
from transformers import T5Config, T5EncoderModel

from easyanimate.training.errors import TrainingError
from easyanimate.training.run.resume import find_checkpoint, renew


def encoder() -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=20, d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4))


def test_only_what_is_named_begins_anew_and_the_same_way_each_time():
    one, other = encoder(), encoder()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    renew(one, ("SelfAttention.q",), seed=3)
    renew(other, ("SelfAttention.q",), seed=3)
    changed = {name for name, value in one.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"encoder.block.{i}.layer.0.SelfAttention.q.weight" for i in range(2)}
    assert all(torch.equal(one.state_dict()[name], other.state_dict()[name]) for name in changed)


def test_a_word_in_no_name_stops_the_training():
    with pytest.raises(TrainingError, match="no parameter of the text encoder has 'cats'"):
        renew(encoder(), ("cats",), seed=0)


def test_a_fresh_encoder_looks_at_the_words_nearby():
    torch.manual_seed(0)
    look = find_checkpoint(encoder()).eval()
    look.config._attn_implementation = "eager"
    attention = look(torch.tensor([[5, 6, 7, 8, 9, 10]]), output_attentions=True).attentions[0][0]  # [heads, 6, 6]
    assert attention[0].diagonal(-1).mean() > 0.6
    assert attention[1].diagonal(1).mean() > 0.6
    assert attention[2, 5, 1:5].sum() > 0.6
    assert attention[3, 0, 1:5].sum() > 0.6
