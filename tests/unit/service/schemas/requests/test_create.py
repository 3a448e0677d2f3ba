"""Bodies of requests for videos: one list of generation parameters, texts of forms, and errors with their fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import InvalidRequest
from jobs.model.request import GenerationSettings
from service.http.fields import validate
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.derived import EditVideo, ExtendVideo, RemixVideo
from service.schemas.video import Video


def test_every_generation_setting_is_a_field_of_the_body_and_of_the_record() -> None:
    assert set(GenerationSettings.model_fields) <= set(CreateVideo.model_fields) & set(Video.model_fields)


def test_create_has_every_field_of_the_other_bodies() -> None:
    others = {*EditVideo.model_fields, *ExtendVideo.model_fields, *RemixVideo.model_fields}
    assert others <= set(CreateVideo.model_fields)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("seed", "7", 7),
        ("seed", "7.0", 7),
        ("guidance_scale", "1e1", 10.0),
        ("smooth", "FALSE", False),
        ("smooth", "1", True),
        ("metadata", '{"a": "b"}', {"a": "b"}),
    ],
)
def test_a_text_of_a_form_becomes_the_value_of_its_field(field: str, text: str, value: object) -> None:
    assert getattr(validate(CreateVideo, {"prompt": "a", field: text}), field) == value


@given(st.sampled_from(sorted(set(CreateVideo.model_fields) - {"prompt"})))
def test_a_null_field_counts_as_absent(field: str) -> None:
    assert validate(CreateVideo, {"prompt": "a", field: None}).model_fields_set == {"prompt"}


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        ({}, "prompt", "prompt is missing"),
        ({"prompt": "a", "promt": "b"}, "promt", "there is no parameter promt; did you mean prompt?"),
        ({"prompt": "a", "sampler": "euler"}, "sampler", "there is no parameter sampler; did you mean scheduler?"),
        ({"prompt": "a", "steps": 3}, "steps", "did you mean num_inference_steps?"),
        ({"prompt": "a", "webhook": {"urls": "x"}}, "webhook.urls", "did you mean webhook.url?"),
        ({"prompt": "a", "loras": [{"name": "b", "scale": 3}]}, "loras.scale", "loras.scale must be at most 2, got 3"),
        ({"prompt": "a", "loras": ["b"]}, "loras", 'as in [{"name": "watercolour"}]'),
        ({"prompt": "a", "loras": [None]}, "loras", "loras needs an object with a name in every entry"),
        ({"prompt": "a", "metadata": {"k": None}}, "metadata.k", "metadata.k must be text, got null"),
        ({"prompt": "\u200b\ufeff\0 "}, "prompt", "prompt is blank; describe what"),
        ({"prompt": "a", "seed": True}, "seed", "seed must be a whole number, got true"),
        ({"prompt": "a", "metadata": {"k" * 65: "v"}}, "metadata.key", "metadata.key has 65 characters"),
        ({"prompt": "\ud800"}, "prompt", "prompt has half a surrogate pair"),
    ],
)
def test_an_error_names_its_field(fields: dict[str, object], param: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        validate(CreateVideo, fields)
    assert refusal.value.param == param
    assert sentence in str(refusal.value)
