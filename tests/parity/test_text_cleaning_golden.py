"""Prompts before and after cleaning, as the reference cleans them."""

import json
from pathlib import Path

import pytest

from easyanimate.pipeline.inputs.text_cleaning import clean_prompt, plain_prompt

TABLE = json.loads(
    (Path(__file__).parents[1] / "golden" / "pipeline" / "misc" / "text_cleaning.json").read_text("utf-8")
)


@pytest.mark.parametrize("row", TABLE, ids=range(len(TABLE)))
def test_a_prompt_is_cleaned_as_recorded(row: dict[str, str]) -> None:
    assert clean_prompt(row["in"]) == row["clean"]


@pytest.mark.parametrize("row", TABLE, ids=range(len(TABLE)))
def test_with_cleaning_off_a_prompt_is_only_lowered_and_stripped(row: dict[str, str]) -> None:
    assert plain_prompt(row["in"]) == row["plain"]
