"""Example prompts for the small model use words that it knows."""

import re
from pathlib import Path

import pytest

from easyanimate.text_cleaning import clean_prompt
from easyanimate.tiny.card import CARD
from jobs.model.model_card import ModelCard

ROOT = Path(__file__).parents[2]
PROMPT = re.compile(
    r"""(?:\bprompt\\?["']?\s*[:=]\s*|--prompt[ =]|easyanimate\s+(?:submit|(?:extend|remix)\s+\S+)\s+)"""
    r"""\\?(["'])(.+?)\\?\1"""
)
OTHER_MODELS = (
    "docs/guides/gpu.md",
    "docs/guides/weights.md",
    "docs/operations/three-hosts.md",
)  # examples of published models
FILES = [
    path
    for pattern in ("README*.md", "docs/**/*.md", "cli/**/*.py", "clients/*/README.md", "service/openapi/examples.py")
    for path in sorted(ROOT.glob(pattern))
    if not str(path.relative_to(ROOT)).startswith(("docs/decisions", *OTHER_MODELS))
]


def prompts(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    return [match[2] for match in PROMPT.finditer(text) if re.fullmatch(r"[A-Za-z0-9 ,;.'-]+", match[2])]


@pytest.mark.parametrize("path", [path for path in FILES if prompts(path)], ids=lambda path: path.name)
def test_examples_use_words_that_the_small_model_knows(path: Path) -> None:
    card = ModelCard.model_validate(CARD)
    unknown = {prompt: words for prompt in prompts(path) if (words := card.unknown_words(clean_prompt(prompt)))}
    assert unknown == {}


def test_the_first_pages_have_examples() -> None:
    assert any("README" in path.name and prompts(path) for path in FILES)
    assert sum(len(prompts(path)) for path in FILES) > 15
