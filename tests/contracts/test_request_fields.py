"""Each field of a request is offered by the tools, the commands, the Python client and the studio, or left out here."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from easyanimate_client import bodies, inputs

from cli.commands.remote.options import JobOptions, RemixOptions, ServiceOptions, SubmitOptions
from cli.commands.remote.request import RENAMED
from cli.shots_file import ShotEntry
from jobs.model.request import GenerationSettings
from service.mcp.arguments import LEFT_OUT
from service.mcp.tools import TOOLS
from service.schemas.request_model import RequestModel
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.derived import EditVideo, ExtendVideo, PromoteVideo, RemixVideo
from service.schemas.requests.shots import ShotBody, ShotChange

STUDIO = Path(__file__).parents[2] / "service" / "studio"
NAME = re.compile(r'"(\w+)"')
OPTIONS = {"lora": "loras", "previews_every": "previews", "cancel_after": "deadline"}  # with another form in the API
# Fields without a control in the page. It shows what a person tries out; programs send the others.
NOT_IN_THE_STUDIO = {
    *("priority", "deadline", "share_work", "webhook", "metadata"),  # of the queue
    *("input_reference", "width", "height", "fps"),  # other names of a size, an image, and the only rate
    *("overlap", "clip_apply_ratio", "smooth", "clean_caption"),  # the defaults of the model
}


def names_of(source: str, start: str, end: str) -> set[str]:
    """The texts in quotes of a part of a module of the studio."""
    return set(NAME.findall(source.partition(start)[2].partition(end)[0]))


@pytest.mark.parametrize(
    ("tool", "body"),
    [("create_video", CreateVideo), ("extend_video", ExtendVideo), ("remix_video", RemixVideo),
     ("promote_video", PromoteVideo)],
)  # fmt: skip
def test_a_tool_has_each_field_of_its_request(tool: str, body: type[RequestModel]) -> None:
    properties = set(TOOLS[tool].definition.input_schema["properties"])
    source = set() if tool == "create_video" else {"video"}
    assert properties - {"video_id"} == set(body.model_fields) - set(LEFT_OUT) - source
    assert set(LEFT_OUT) <= set(CreateVideo.model_fields), "a field that no longer exists"


def test_a_tool_has_each_field_of_a_shot() -> None:
    shots = {
        name: TOOLS[name].definition.input_schema["properties"]["shots"] for name in ("create_video", "remix_video")
    }
    assert set(shots["create_video"]["items"]["properties"]) == set(ShotBody.model_fields)
    assert set(shots["remix_video"]["additionalProperties"]["properties"]) == set(ShotChange.model_fields)


@pytest.mark.parametrize(
    ("options", "body"),
    [(SubmitOptions, CreateVideo), (ServiceOptions, ExtendVideo), (RemixOptions, RemixVideo),
     (JobOptions, PromoteVideo)],
)  # fmt: skip
def test_a_command_has_each_field_of_its_request(options: type[Any], body: type[RequestModel]) -> None:
    offered = {OPTIONS.get(each.name, RENAMED.get(each.name, each.name)) for each in fields(options)}
    arguments = {"prompt", "input_reference"} | ({"video"} if body is ExtendVideo else set())
    assert set(body.model_fields) - arguments <= offered


def test_a_file_of_shots_has_each_field_of_a_shot() -> None:
    assert set(ShotEntry.model_fields) == set(ShotBody.model_fields)


@pytest.mark.parametrize(
    ("typed", "body"),
    [(inputs.CreateVideo, CreateVideo), (inputs.EditVideo, EditVideo), (inputs.ExtendVideo, ExtendVideo),
     (bodies.RemixVideoFields, RemixVideo), (bodies.PromoteVideoFields, PromoteVideo), (bodies.Shot, ShotBody),
     (bodies.Shots, ShotChange)],
)  # fmt: skip
def test_the_python_client_has_each_field_of_a_request(typed: type[Any], body: type[RequestModel]) -> None:
    assert set(get_type_hints(typed)) == set(body.model_fields)


def test_the_studio_has_each_field_of_a_request() -> None:
    source = (STUDIO / "state" / "form.js").read_text("utf-8")
    offered = names_of(source, "const SAMPLING", "const DRAFT_SHARE") - {"length"}
    offered |= {"prompt", "num_frames", "seconds", "previews", "shots"}
    assert offered == set(CreateVideo.model_fields) - NOT_IN_THE_STUDIO


def test_a_repetition_in_the_studio_has_each_setting_of_the_record() -> None:
    kept = names_of((STUDIO / "state" / "actions.js").read_text("utf-8"), "const SETTINGS", "];")
    taken = {name for name in GenerationSettings.model_fields if name in CreateVideo.model_fields}
    others = {"size", "width", "height", "fps", "loras", "seed", "strength"}
    assert taken - others <= kept
