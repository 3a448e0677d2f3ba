"""Films through a real front end: JSON and forms, stored images, the record, and what has no meaning for a film."""

import io
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image
from redis import Redis

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.request import Mode
from jobs.queue.registry import Registry
from jobs.storage.factory import open_storage
from jobs.storage.interface import read_all
from service.settings import ServiceSettings

Stored = Callable[[str], Job]


def png(size: tuple[int, int] = (32, 32), color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + b64encode(data).decode()


def shot(prompt: str = "a large red circle", num_frames: int = 16, **fields: Any) -> dict[str, Any]:
    return {"prompt": prompt, "num_frames": num_frames, **fields}


def test_a_film_is_stored_with_its_shots_and_shown_in_its_record(api: httpx.Client, stored: Stored) -> None:
    shots = [shot(), shot("a large blue square", 24, image=data_url(png((64, 32)))), shot(last_image=data_url(png()))]
    answer = api.post("/v1/videos", json={"shots": shots, "size": "64x64", "seed": 5})
    record = answer.json()
    assert answer.status_code == 200, record
    assert (record["prompt"], record["num_frames"]) == (
        "a large red circle\na large blue square\na large red circle",
        56,
    )
    assert [(each["index"], each["status"], each["first_frame"]) for each in record["shots"]] == [
        (0, "queued", 0), (1, "queued", 16), (2, "queued", 40),
    ]  # fmt: skip
    (warning,) = record["warnings"]
    assert warning.startswith("shots[1].image: 64x32 is stretched to 64x64")
    request = stored(record["id"]).request
    assert [each.overlap for each in request.shots] == [0, 0, 4]
    assert request.mode == record["mode"] == "film"
    keys = (request.shots[1].image_key, request.shots[2].last_image_key)
    assert keys == tuple(f"inputs/{record['id']}/shot-0{name}.png" for name in ("1-image", "2-last_image"))


def test_a_form_sends_shots_with_files(api: httpx.Client, stored: Stored, settings: ServiceSettings) -> None:
    fields = {
        "shots[0][prompt]": "a large red circle", "shots[0][num_frames]": "16", "shots[1][prompt]": "a blue square",
        "shots[1][seconds]": "1", "shots[1][overlap]": "", "size": "64x64",
    }  # fmt: skip
    answer = api.post("/v1/videos", data=fields, files={"shots[1][image]": ("start.png", png(), "image/png")})
    assert answer.status_code == 200, answer.json()
    request = stored(answer.json()["id"]).request
    assert [(each.num_frames, each.overlap) for each in request.shots] == [(16, 0), (24, 0)]
    image = read_all(open_storage(settings), request.shots[1].image_key or "")
    assert Image.open(io.BytesIO(image)).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("image", "code"), [("data:image/png;base64,AA==", "unsupported_image"), ("file-unknown", "file_not_found")]
)
def test_an_image_that_cannot_be_used_names_its_shot(shared_api: httpx.Client, image: str, code: str) -> None:
    answer = shared_api.post("/v1/videos", json={"shots": [shot(), shot(image=image)]})
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, "shots[1].image")


def test_a_wrong_shot_of_a_form_is_refused_with_its_field(shared_api: httpx.Client) -> None:
    fields = {"shots[0][prompt]": "a large red circle", "shots[0][num_frames]": "17"}
    answer = shared_api.post("/v1/videos", data=fields, files={"shots[0][image]": ("start.png", png(), "image/png")})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_shots", "shots[0].num_frames")


@pytest.mark.parametrize("path", ["/v1/videos/edits", "/v1/videos/extensions"])
def test_a_change_of_a_video_has_no_shots(shared_api: httpx.Client, path: str) -> None:
    error = shared_api.post(path, json={"prompt": "a", "video": {"id": "video_1"}, "shots": [shot()]}).json()["error"]
    assert (error["code"], error["param"]) == ("unknown_parameter", "shots")


@pytest.fixture
def film(api: httpx.Client, finish: Callable[[str], bytes]) -> str:
    """The id of a completed film of three shots, of which the second has a start image and the third an end image."""
    shots = [shot(), shot("a blue square", 24, image=data_url(png())), shot(last_image=data_url(png()), seed=9)]
    body = {"shots": shots, "size": "64x64", "seed": 5, "num_inference_steps": 3, "negative_prompt": "a dog"}
    video_id: str = api.post("/v1/videos", json=body).json()["id"]
    finish(video_id)
    return video_id


def test_a_remix_of_a_film_changes_the_shots_that_it_names(api: httpx.Client, film: str, stored: Stored) -> None:
    changes = {"0": {"prompt": "a cyan cross"}, "2": {"num_frames": 8, "negative_prompt": "a cat"}}
    answer = api.post(f"/v1/videos/{film}/remix", json={"shots": changes, "metadata": {"a": "b"}})
    record = answer.json()
    assert answer.status_code == 200, record
    old, new = stored(film).request, stored(record["id"]).request
    assert record["remixed_from_video_id"] == film
    assert (new.prompt, new.num_frames) == ("a cyan cross\na blue square\na large red circle", 48)
    assert [each.seed for each in new.shots] == [5, 6, 9]
    assert [each.negative_prompt for each in new.shots] == ["a dog", "a dog", "a cat"]
    assert [each.overlap for each in new.shots] == [0, 0, 4]
    kept = {"prompt", "num_frames", "shots", "metadata"}
    assert new.model_dump(exclude=kept) == old.model_dump(exclude=kept)
    assert new.shots[1].image_key == f"inputs/{record['id']}/shot-01-image.png"
    assert new.shots[2].last_image_key is not None


def test_a_remix_of_a_film_without_changes_is_the_same_film(api: httpx.Client, film: str, stored: Stored) -> None:
    video_id = api.post(f"/v1/videos/{film}/remix", json={"shots": {}}).json()["id"]
    keys = {"shots": {"__all__": {"image_key", "last_image_key"}}}
    assert stored(video_id).request.model_dump(exclude=keys) == stored(film).request.model_dump(exclude=keys)


def test_a_form_changes_the_image_of_a_shot(
    api: httpx.Client, film: str, stored: Stored, settings: ServiceSettings
) -> None:
    files = {"shots[2][image]": ("start.png", png(color="blue"), "image/png")}
    answer = api.post(f"/v1/videos/{film}/remix", data={"shots[2][seed]": "3"}, files=files)
    assert answer.status_code == 200, answer.json()
    third = stored(answer.json()["id"]).request.shots[2]
    assert (third.seed, third.overlap) == (3, 0)
    image = read_all(open_storage(settings), third.image_key or "")
    assert Image.open(io.BytesIO(image)).getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"prompt": "a blue square"}, "invalid_shots", "prompt"),
        ({"prompt": "a", "shots": {"0": {"prompt": "b"}}}, "invalid_shots", "prompt"),
        ({"shots": {"3": {"prompt": "b"}}}, "invalid_shots", "shots[3]"),
        ({"shots": {"first": {"prompt": "b"}}}, "invalid_shots", "shots"),
        ({"shots": {"01": {"prompt": "b"}}}, "invalid_shots", "shots"),
        ({"shots": [{"prompt": "b"}, {"prompt": "c"}]}, "invalid_shots", "shots"),
        ({"shots": {"1": {"num_frames": 12}}}, "invalid_shots", "shots[1].num_frames"),
        ({"shots": {"1": {"overlap": 4}}}, "invalid_shots", "shots[1].overlap"),
        ({"shots": {"1": {"prompts": "b"}}}, "unknown_parameter", "shots[1].prompts"),
        ({"shots": {"0": {"image": "data:image/png;base64,AA=="}}}, "unsupported_image", "shots[0].image"),
        ({}, "invalid_request", "prompt"),
    ],
)
def test_a_remix_of_a_film_is_refused_with_the_name_of_the_shot(
    api: httpx.Client, film: str, body: dict[str, Any], code: str, param: str
) -> None:
    answer = api.post(f"/v1/videos/{film}/remix", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


def test_a_video_of_one_prompt_has_no_shots_to_change(api: httpx.Client, finish: Callable[[str], bytes]) -> None:
    video_id = api.post("/v1/videos", json={"prompt": "a large red circle", "size": "64x64"}).json()["id"]
    finish(video_id)
    error = api.post(f"/v1/videos/{video_id}/remix", json={"shots": {"0": {"prompt": "a"}}}).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_shots", "shots")


def test_the_estimate_of_a_film_counts_the_windows_of_its_shots(api: httpx.Client, announced: ModelCard) -> None:
    window = announced.window
    shots = [shot(num_frames=window), shot(num_frames=window), shot(num_frames=window, overlap=0)]
    estimate = api.post("/v1/videos/estimate", json={"shots": shots, "num_inference_steps": 3}).json()
    assert (estimate["windows"], estimate["steps"], estimate["num_frames"]) == (4, 12, 3 * window)


def test_a_film_is_refused_while_the_workers_are_of_a_release_without_films(
    api: httpx.Client, announced: ModelCard, redis: Redis
) -> None:
    modes = tuple(mode for mode in announced.modes if mode is not Mode.FILM)
    Registry(redis).announce(announced.model_copy(update={"modes": modes}), "worker-1")
    answer = api.post("/v1/videos", json={"shots": [shot()]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_shots")
    assert "need a newer release" in answer.json()["error"]["message"]
