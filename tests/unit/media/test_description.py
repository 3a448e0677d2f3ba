"""The description of a video and its JSON."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from easyanimate.media.description import ColorTags, Edit, VideoDescription

VIDEO = VideoDescription(
    container="mp4",
    codec="h264",
    stream_index=1,
    width=96,
    height=192,
    stored_width=96,
    stored_height=96,
    pixel_aspect=Fraction(2),
    quarter_turns=1,
    duration=Fraction(1001, 500),
    num_frames=48,
    colors=ColorTags("bt709", "bt709", "bt709", is_full_range=False),
    field_order="progressive",
    has_alpha=False,
    edits=(Edit(Fraction(1, 3), Fraction(1001, 500)),),
    clock_error=Fraction(0),
)


def test_a_description_is_the_same_after_json():
    assert VideoDescription.from_json(VIDEO.to_json()) == VIDEO


def test_an_unknown_field_of_another_version_is_ignored():
    text = json.dumps({**json.loads(VIDEO.to_json()), "rating": 5})

    assert VideoDescription.from_json(text) == VIDEO


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", VIDEO.to_json().replace("1001/500", "1/0")])
def test_other_text_is_no_description(text: str):
    with pytest.raises(ValueError, match=r"description|Expecting"):
        VideoDescription.from_json(text)


def test_the_rate_and_the_number_of_frames_follow_from_the_shown_time():
    assert VIDEO.frame_rate == Fraction(24000, 1001)
    assert VIDEO.num_frames_at(8) == 16
    assert replace(VIDEO, duration=Fraction(1, 100)).num_frames_at(8) == 1
