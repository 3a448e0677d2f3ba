"""Tokens counted without a tokenizer are those of the tokenizer, or are not counted."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from transformers import T5Tokenizer

from easyanimate.pipeline.inputs.prompts import MAX_TOKENS
from easyanimate.text_cleaning import clean_prompt, plain_prompt
from easyanimate.tiny import shipped
from easyanimate.tiny.captions import tokenizer_sentences
from service.inputs.prompt_tokens import TokenCounter
from worker.models.tokenizer_description import describe_tokenizer

LETTERS = "abcdeghilmnoqrstuxyz ,.-'_0123456789éüñßαдюİ<>/▁\t\u00a0\u3000\u0301ﬁＡ１ ²"
PROMPTS = st.one_of(
    st.text(st.sampled_from(LETTERS), max_size=60),
    st.lists(st.sampled_from(["a", "red", "circle", "moving", "turquoise", "</s>", "<extra_id_3>", "qqq"])).map(
        " ".join
    ),
)


@pytest.fixture(scope="module")
def like_published(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer with the rules of the published one: it replaces characters, and has 100 tokens more."""
    folder, model = tmp_path_factory.mktemp("tokenizer"), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=tokenizer_sentences(),
        model_writer=model,
        vocab_size=300,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    return T5Tokenizer.from_pretrained(str(folder), local_files_only=True)


@pytest.fixture(scope="module")
def small() -> Any:
    """The tokenizer of the small model."""
    return T5Tokenizer.from_pretrained(
        str(Path(shipped.__file__).parent / "model" / "tokenizer"), local_files_only=True
    )


@pytest.fixture(scope="module", params=["small", "like_published"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, TokenCounter]:
    """A tokenizer, and the counter from its description."""
    tokenizer = request.getfixturevalue(request.param)
    vocabulary = describe_tokenizer(tokenizer, MAX_TOKENS)
    assert vocabulary is not None
    return tokenizer, TokenCounter(vocabulary)


@settings(deadline=None, max_examples=100)
@given(prompt=PROMPTS, cleans=st.booleans())
def test_a_count_is_that_of_the_tokenizer(pair: tuple[Any, TokenCounter], prompt: str, cleans: bool) -> None:
    tokenizer, counter = pair
    counted = counter.count(prompt, clean_caption=cleans)
    text = clean_prompt(prompt) if cleans else plain_prompt(prompt)
    if counted is None:
        assert not text.isascii()
    else:
        assert counted == len(tokenizer(text).input_ids)


def test_plain_english_is_counted(pair: tuple[Any, TokenCounter]) -> None:
    tokenizer, counter = pair
    prompt = "A large, red circle isn't moving to the right (slowly) at 3 o'clock: 50% café!"
    assert counter.count(prompt, clean_caption=True) == len(tokenizer(clean_prompt(prompt)).input_ids)
    assert counter.limit == MAX_TOKENS


def test_letters_that_the_tokenizer_replaces_are_not_counted(like_published: Any) -> None:
    vocabulary = describe_tokenizer(like_published, MAX_TOKENS)
    assert vocabulary
    assert "a" in vocabulary.letters
    assert "²" not in vocabulary.letters
    assert TokenCounter(vocabulary).count("a²", clean_caption=False) is None


def test_long_words_are_counted_and_not_kept(small: Any) -> None:
    vocabulary = describe_tokenizer(small, MAX_TOKENS)
    assert vocabulary
    counter, word = TokenCounter(vocabulary), "a" * 1000
    assert counter.count(f"a {word}", clean_caption=False) == len(small(f"a {word}").input_ids)
    assert counter._count_cached.cache_info().currsize == 1


def test_other_tokenizers_are_not_described(small: Any) -> None:
    class Bpe:
        """A tokenizer of another kind."""

        def to_str(self) -> str:
            return '{"model": {"type": "BPE"}, "added_tokens": []}'

    class Fast:
        backend_tokenizer = Bpe()

    assert describe_tokenizer(Fast(), MAX_TOKENS) is None
    assert describe_tokenizer(object(), MAX_TOKENS) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"pre_tokenizer": {"pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁"}]}},
        {"model": {"type": "Unigram", "unk_id": 9, "vocab": [["a", -1.0]]}},
        {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a" * 300, -1.0]]}},
        {"added_tokens": None},
    ],
)
def test_a_tokenizer_in_another_form_is_logged_and_not_described(small: Any, fields: dict[str, Any]) -> None:
    described = json.loads(small.backend_tokenizer.to_str()) | fields

    class Backend:
        normalizer = None

        def to_str(self) -> str:
            """The description of a tokenizer."""
            return json.dumps(described)

    class Fast:
        backend_tokenizer = Backend()

    with capture_logs() as lines:
        assert describe_tokenizer(Fast(), MAX_TOKENS) is None
    assert [line["event"] for line in lines] == ["tokenizer.not_described"]
