"""The table of shapes and the sizes derived from start images, against recorded ones."""

import json
from pathlib import Path

import pytest

from easyanimate.buckets import BUCKETS, resize_to_image

RECORDED = json.loads((Path(__file__).parents[1] / "golden" / "pipeline" / "misc" / "resize_buckets.json").read_text())


def test_the_table_is_the_recorded_one() -> None:
    recorded = {float(ratio): tuple(map(int, size)) for ratio, size in RECORDED["table"].items()}
    assert list(BUCKETS.items()) == list(recorded.items())


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: f"{case['image_width']}x{case['image_height']}")
def test_an_image_has_the_recorded_size(case: dict[str, int]) -> None:
    size = case["image_width"], case["image_height"], case["base"]
    assert resize_to_image(*size) == (case["width"], case["height"])
