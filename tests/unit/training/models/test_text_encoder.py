"""Initialisation of a text encoder, or of parts of it."""

import pytest
import torch
from transformers import T5Config, T5EncoderModel

from easyanimate.training.errors import TrainingError
from easyanimate.training.models.text_encoder import initialise_local_attention, reinitialise_parameters


def encoder() -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=20, d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4))


def test_only_the_named_parameters_are_initialised_and_always_with_the_same_values():
    one, other = encoder(), encoder()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    reinitialise_parameters(one, ("SelfAttention.q",), seed=3)
    reinitialise_parameters(other, ("SelfAttention.q",), seed=3)
    changed = {name for name, value in one.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"encoder.block.{i}.layer.0.SelfAttention.q.weight" for i in range(2)}
    assert all(torch.equal(one.state_dict()[name], other.state_dict()[name]) for name in changed)


def test_a_word_that_no_parameter_contains_is_refused():
    with pytest.raises(TrainingError, match="no parameter of the text encoder has 'cats'"):
        reinitialise_parameters(encoder(), ("cats",), seed=0)


def test_the_heads_of_a_new_encoder_attend_to_neighbouring_words():
    torch.manual_seed(0)
    initialised = initialise_local_attention(encoder()).eval()
    initialised.config._attn_implementation = "eager"
    output = initialised(torch.tensor([[5, 6, 7, 8, 9, 10]]), output_attentions=True)
    attention = output.attentions[0][0]  # [heads, 6, 6]
    assert attention[0].diagonal(-1).mean() > 0.6
    assert attention[1].diagonal(1).mean() > 0.6
    assert attention[2, 5, 1:5].sum() > 0.6
    assert attention[3, 0, 1:5].sum() > 0.6
