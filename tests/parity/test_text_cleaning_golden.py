"""The cleaning of prompts against recorded results of the reference."""

import json
from pathlib import Path

import pytest

from easyanimate.text_cleaning import clean_prompt, plain_prompt

TABLE = json.loads(
    (Path(__file__).parents[1] / "golden" / "pipeline" / "misc" / "text_cleaning.json").read_text("utf-8")
)


@pytest.mark.parametrize("row", TABLE, ids=range(len(TABLE)))
def test_a_prompt_is_cleaned_as_recorded(row: dict[str, str]) -> None:
    assert clean_prompt(row["in"]) == row["clean"]


@pytest.mark.parametrize("row", TABLE, ids=range(len(TABLE)))
def test_without_cleaning_a_prompt_is_only_lowercased_and_stripped(row: dict[str, str]) -> None:
    assert plain_prompt(row["in"]) == row["plain"]
