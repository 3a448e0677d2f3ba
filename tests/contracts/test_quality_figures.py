"""The figures on the quality of the small model are those of the table in its card, wherever a page repeats them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARD = ROOT / "easyanimate" / "tiny" / "model" / "README.md"
SENTENCES = [  # page, pattern of the figure, row and column of the card's table
    ("CHANGELOG.md", r"a start image is reproduced at ([\d.]+) dB", "from text and a start image", "PSNR in dB"),
    ("CHANGELOG.md", r"Of 200 held-out captions ([\d.]+) % are correct", "from text", "all"),
    ("CHANGELOG.md", r"Of ([\d.]+) held-out captions", "from text", "clips"),
    ("easyanimate/tiny/model/README.md", r"A start image is reproduced at ([\d.]+) dB", "from text and a start image",
     "PSNR in dB"),
    ("easyanimate/tiny/model/README.md", r"The VAE alone reaches ([\d.]+) dB", "VAE alone", "PSNR in dB"),
]  # fmt: skip


def card_table() -> dict[str, dict[str, str]]:
    """The table of measured quality, by the names of its rows and columns."""
    lines = CARD.read_text().partition("## Measured quality")[2].split("\n\n")[1].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def card_figure(row: str, column: str) -> float:
    """The first number of a cell."""
    (first, *_) = re.findall(r"\d+(?:\.\d+)?", card_table()[row][column])
    return float(first)


@pytest.mark.parametrize(("page", "pattern", "row", "column"), SENTENCES)
def test_a_repeated_figure_is_that_of_the_card(page: str, pattern: str, row: str, column: str) -> None:
    text = re.sub(r"\s+", " ", (ROOT / page).read_text())
    (figure,) = re.findall(pattern, text)
    decimals = len(figure.partition(".")[2])
    assert float(figure) == round(card_figure(row, column), decimals)


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_each_figure_in_decibels_is_compared(page: str) -> None:
    compared = [pattern for name, pattern, *_ in SENTENCES if name == page and "dB" in pattern]
    assert len(re.findall(r"\bdB\b", (ROOT / page).read_text())) == len(compared)
