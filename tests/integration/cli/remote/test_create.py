"""`submit`, `extend` and `remix` against a front end: each field of the API, inputs, waiting and refusals."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image

from cli.commands.remote.options import RemixOptions, ServiceOptions, SubmitOptions
from cli.commands.remote.request import CONVERTED, OF_THE_COMMAND, RENAMED
from cli.options import GenerationOptions
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.derived import ExtendVideo, RemixVideo
from tests.job_store import JobStore

Run = Callable[..., Result]
RecordOf = Callable[..., dict[str, Any]]
Beside = Callable[[Callable[[], None]], None]
# Fields of the API whose option has another name or another form.
OTHER_FORMS = {"loras": "lora", "previews": "previews_every", "deadline": "cancel_after", "input_reference": "image"}
PROMPT = "a large red circle moving to the right on a blue background"


@pytest.mark.parametrize(
    ("options", "body", "arguments"),
    [(SubmitOptions, CreateVideo, {"prompt"}), (ServiceOptions, ExtendVideo, {"prompt", "video"}),
     (RemixOptions, RemixVideo, {"prompt"})],
)  # fmt: skip
def test_each_field_of_a_request_has_an_option(options: type[Any], body: type[Any], arguments: set[str]) -> None:
    names = {RENAMED.get(each.name, each.name) for each in fields(options)}
    assert {OTHER_FORMS.get(name, name) for name in body.model_fields} - arguments <= names
    api = {*body.model_fields, *CONVERTED, *OF_THE_COMMAND}
    assert names <= api, "an option without a field"


def test_every_option_of_a_generation_reaches_the_record(record_of: RecordOf) -> None:
    record = record_of(
        *("submit", PROMPT, "--negative-prompt", "blur", "--model", "easyanimate-v3-tiny", "--size", "128x64"),
        *("--num-frames", 24, "--fps", 24, "--steps", 7, "--guidance-scale", 0, "--seed", 0, "--scheduler", "ddim"),
        *("--lora", "watercolour:0.8", "--lora", "ink", "--overlap", 2, "--clip-apply-ratio", 0, "--no-smooth"),
        *("--no-clean-caption", "--previews-every", 2, "--priority", "low", "--metadata", "shot=a=b"),
        *("--cancel-after", "10m"),
    )
    expected = {
        **{"prompt": PROMPT, "negative_prompt": "blur", "size": "128x64", "num_frames": 24, "num_inference_steps": 7},
        **{"guidance_scale": 0, "seed": 0, "scheduler": "ddim", "overlap": 2, "clip_apply_ratio": 0, "smooth": False},
        **{"clean_caption": False, "priority": "low", "metadata": {"shot": "a=b"}},
    }
    assert {name: record[name] for name in expected} == expected
    assert record["loras"] == [{"name": "watercolour", "scale": 0.8}, {"name": "ink", "scale": 0.55}]
    assert record["deadline"] == pytest.approx(record["created_at"] + 600, abs=60)


def test_images_are_sent_as_files(easyanimate: Run, tmp_path: Path, store: JobStore) -> None:
    for name in ("start", "end"):
        Image.new("RGB", (64, 128), "red").save(tmp_path / f"{name}.png")
    done = easyanimate(
        "submit", "--prompt", PROMPT, "--image", "start.png", "--last-image", "end.png", "--resize-to-image"
    )
    assert done.exit_code == 0, done.output
    request = store.get(done.stdout.strip()).request
    assert request.image_key
    assert request.last_image_key
    assert request.height > request.width


FILM = """\
- prompt: a large red circle
  num_frames: 16
- prompt: a large blue square
  seconds: 1
  overlap: 2
"""


def test_a_film_is_read_from_its_file(record_of: RecordOf, tmp_path: Path) -> None:
    (tmp_path / "film.yaml").write_text(FILM)
    record = record_of("submit", "--shots", "film.yaml", "--seed", 3)
    assert record["prompt"] == "a large red circle\na large blue square"
    assert [shot["first_frame"] for shot in record["shots"]] == [0, 16]


def test_the_images_of_shots_are_sent_as_files(easyanimate: Run, tmp_path: Path, store: JobStore) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "images" / "start.png")
    film = FILM.replace("overlap: 2", "image: start.png")
    (tmp_path / "images" / "film.yaml").write_text(film)
    done = easyanimate("submit", "--shots", "images/film.yaml")
    assert done.exit_code == 0, done.output
    first, second = store.get(done.stdout.strip()).request.shots
    assert (first.num_frames, first.image_key, second.overlap) == (16, None, 0)
    assert second.image_key


@pytest.mark.parametrize(
    ("film", "options", "reason"),
    [
        (FILM, [PROMPT], "leave the prompt out"),
        (FILM, ["--count", 2], "n cannot be combined with shots"),
        (FILM.replace("16", "17"), [], "shots[0]: num_frames must be a multiple of 8"),
        (FILM.replace("overlap", "overlaps"), [], "film.yaml, line 5: shots[1] has no field overlaps"),
        (FILM.replace("overlap: 2", "image: missing.png"), [], "missing.png"),
    ],
)
def test_a_wrong_film_is_refused_with_one_line(
    easyanimate: Run, tmp_path: Path, film: str, options: list[Any], reason: str
) -> None:
    (tmp_path / "film.yaml").write_text(film)
    done = easyanimate("submit", "--shots", "film.yaml", *options)
    assert (done.exit_code, reason in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.output


def test_several_videos_have_an_id_each(easyanimate: Run) -> None:
    ids = easyanimate("submit", PROMPT, "--count", 2, "--seed", 5).stdout.split()
    records = [json.loads(easyanimate("list", "--json").stdout)["data"][i] for i in range(2)]
    assert {record["id"] for record in records} == set(ids)
    assert {record["seed"] for record in records} == {5, 6}


def test_the_same_key_creates_one_video(easyanimate: Run) -> None:
    runs = [easyanimate("submit", PROMPT, "--idempotency-key", "order-7") for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout


def first_waiting(store: JobStore) -> str:
    """The id of the first video that waits, as soon as there is one."""
    deadline = time.monotonic() + 240
    while (job_id := store.first_waiting("easyanimate-v3-tiny")) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job_id


@pytest.fixture
def beside(record_of: RecordOf, store: JobStore) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Runs a function beside a command that waits; no other video waits."""
    threads: list[threading.Thread] = []

    def run(function: Callable[[], None]) -> None:
        for waiting in record_of("list", "--status", "queued", "--limit", 1000)["data"]:
            store.cancel(waiting["id"])
        threads.append(threading.Thread(target=function))
        threads[-1].start()

    yield run
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(("output", "name"), [("circle.mp4", "circle.mp4"), (".", "{id}.mp4")])
def test_waiting_saves_the_result(
    output: str, name: str, record_of: RecordOf, finish: Callable[[str], bytes], store: JobStore, beside: Beside
) -> None:
    contents: list[bytes] = []
    beside(lambda: contents.append(finish(first_waiting(store))))
    record = record_of("submit", PROMPT, "-o", output)
    assert record["status"] == "completed"
    assert Path(name.format(**record)).read_bytes() == contents[0]


def test_one_failed_video_of_several_does_not_stop_the_others(
    easyanimate: Run, finish: Callable[[str], bytes], store: JobStore, beside: Beside
) -> None:
    ids: list[str] = []

    def end_both() -> None:
        ids.append(first_waiting(store))
        store.cancel(ids[0])
        ids.append(first_waiting(store))
        finish(ids[1])

    beside(end_both)
    done = easyanimate("submit", PROMPT, "--count", 2, "--seed", 5, "-o", "circle.mp4")
    assert (done.exit_code, f"{ids[0]} cancelled" in done.stderr) == (1, True), done.output
    assert [path.name for path in Path().iterdir()] == ["circle-6.mp4"]


def test_an_image_that_is_saved_as_a_video_has_a_note(
    easyanimate: Run, finish: Callable[[str], bytes], store: JobStore, beside: Beside
) -> None:
    contents: list[bytes] = []
    beside(lambda: contents.append(finish(first_waiting(store))))
    done = easyanimate("submit", PROMPT, "--num-frames", 1, "-o", "circle.mp4")
    assert "note: circle.mp4 is a PNG, because the result has one frame\n" in done.stderr


def test_an_extension_and_a_remix_of_a_finished_video(record_of: RecordOf, finish: Callable[[str], bytes]) -> None:
    first = record_of("submit", PROMPT, "--num-frames", 16, "--seed", 3, "--negative-prompt", "blur")
    finish(first["id"])
    remix = record_of("remix", first["id"], "a green cross", "--metadata", "take=2")
    assert (remix["remixed_from_video_id"], remix["seed"], remix["prompt"]) == (first["id"], 3, "a green cross")
    assert remix["metadata"] == {"take": "2"}
    longer = record_of("extend", first["id"], PROMPT, "--num-frames", 8)
    assert (longer["source_video_id"], longer["num_frames"], longer["mode"]) == (first["id"], 24, "extension")
    assert longer["negative_prompt"] == "blur"


def test_a_remix_of_a_film_names_its_changed_shots(
    record_of: RecordOf, finish: Callable[[str], bytes], tmp_path: Path
) -> None:
    file = tmp_path / "film.yaml"
    file.write_text("[{prompt: a red circle, num_frames: 16}, {prompt: a blue square, num_frames: 8}]")
    first = record_of("submit", "--shots", str(file), "--size", "64x64", "--seed", "3")
    finish(first["id"])
    remix = record_of("remix", first["id"], "--shot", "1=a green cross = a plus")
    assert (remix["prompt"], remix["seed"]) == ("a red circle\na green cross = a plus", 3)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["submit", ""], 2, "a prompt is missing"),
        (["submit"], 2, "a prompt is missing"),
        (["submit", "a", "--prompt", "b"], 2, "the prompt is there twice"),
        (["submit", "a", "--size", "10x10"], 2, "the nearest"),
        (["submit", "a", "--size", "720p"], 2, "--size is WIDTHxHEIGHT"),
        (["submit", "a", "--size", "96x96", "--width", "96"], 2, "--size excludes"),
        (["submit", "a", "--model", "sora"], 2, "sora"),
        (["submit", "a", "--image", "missing.png"], 2, "missing.png cannot be read: No such file"),
        (["submit", "a", "--image", ""], 2, "--image is empty"),
        (["submit", "a", "--image", f"file-{'0' * 24}"], 2, "there is no file 'file-0"),
        (["submit", "a", "--guidance-scale", "nan"], 2, "guidance_scale must be a number, got nan"),
        (["estimate", "a", "--seconds", "inf"], 2, "seconds must be a number, got inf"),
        (["submit", "a", "--lora", "ink:nan"], 2, "loras[0].scale must be a number, got nan"),
        (["submit", "a \udcff"], 2, "prompt has bytes that are not UTF-8"),
        (["submit", "a", "--previews-every", "0"], 2, "every_steps"),
        (["submit", "a", "--idempotency-key", ""], 2, "--idempotency-key is empty"),
        (["submit", "a", "--url", ""], 2, "--url is empty"),
        (["extend", "", "a"], 2, "the video is empty: name an id, a file or a link"),
        (["submit", "a", "--metadata", "no pair"], 2, "--metadata is KEY=VALUE"),
        (["submit", "a", "--webhook-secret", "whsec_x"], 2, "need --webhook"),
        (["submit", "a", "--cancel-after", "soon"], 2, "Cancel-After must be a time"),
        (["submit", "a", "--cancel-after", ""], 2, "--cancel-after is empty"),
        (["submit", "a", "--cancel-after", "5 мин"], 2, "--cancel-after has a character"),
        (["submit", "a", "-o", "nodir/a.mp4"], 2, "the folder nodir does not exist"),
        (["submit", "a", "-o", "x" * 260], 2, "File name too long"),
        (["extend", "video_0", "a"], 2, "video_0"),
        (["remix", "../models", "a"], 2, "is not the id of a video"),
        (["remix", "video_0", "--shot", "a blue square"], 2, "--shot is INDEX=PROMPT"),
        (["remix", "video_0", "--shot", "1=a", "--shot", "1=b"], 2, "--shot 1 is there twice"),
        (["submit", "a", "--url", "127.0.0.1:8000"], 2, "did you mean http://127.0.0.1:8000 ?"),
        (["submit", "a", "--url", "http://127.0.0.1:9"], 3, "there is no service at http://127.0.0.1:9"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refusal_is_one_sentence_with_its_exit_code(
    easyanimate: Run, arguments: list[str], code: int, reason: str
) -> None:
    done = easyanimate(*arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert done.stderr.startswith(f"easyanimate {arguments[0]}: ")
    assert reason in done.stderr


def test_generate_and_submit_have_the_same_options() -> None:
    shared = {each.name for each in fields(GenerationOptions)}
    assert shared <= {each.name for each in fields(SubmitOptions)}
