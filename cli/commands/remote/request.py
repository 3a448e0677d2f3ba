"""Requests for videos from options: the fields of the API, and the files of the inputs."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from cli.client.request_body import RequestBody
from cli.commands.remote.options import JobOptions, ServiceOptions
from cli.errors import RefusedCommand
from cli.options import parse_size, split_scale
from cli.shots_file import IMAGES, read_shots

RENAMED = {"steps": "num_inference_steps", "count": "n", "shot": "shots"}
# Options whose values have another form in the API, and those that are no field of a request.
CONVERTED = (
    "lora",
    "metadata",
    "webhook",
    "webhook_event",
    "webhook_secret",
    "previews_every",
    "shots",
    "shot",
    "draft",
)
INPUTS = ("image", "last_image", "video", "mask")
OF_THE_COMMAND = ("cancel_after", "idempotency_key", "wait", "output", "size", "width", "height")
REFERENCES = ("http://", "https://", "data:", "file-")  # sent as they are; all other texts are paths


def to_body(prompt: str | None, options: JobOptions, **inputs: str | None) -> RequestBody:
    """The body of a request with these options; a film has no prompt. Raises RefusedCommand.

    `inputs` are paths or references by field, beside those among the options.
    """
    plain = {each.name for each in fields(options)} - {*CONVERTED, *INPUTS, *OF_THE_COMMAND}
    values: dict[str, Any] = {RENAMED.get(name, name): getattr(options, name) for name in plain}
    values |= {"prompt": prompt, "metadata": parse_metadata(options.metadata), "webhook": _webhook(options)}
    if isinstance(options, ServiceOptions):
        values |= _generation(options)
    if (steps := getattr(options, "draft", None)) is not None:
        values["draft"] = {"steps": steps}
    if shot_texts := getattr(options, "shot", None):
        values["shots"] = shot_prompts(shot_texts)
    sources = {name: getattr(options, name, None) for name in INPUTS} | inputs
    references = {name: _reference(name, text) for name, text in sources.items() if text is not None}
    paths = {name: Path(text) for name, text in sources.items() if text and references[name] is None}
    values |= {name: value for name, value in references.items() if value is not None}
    if (shots_file := getattr(options, "shots", None)) is not None:
        shots, shot_paths = _shots(shots_file)
        values |= shots
        paths |= shot_paths
    return RequestBody({name: value for name, value in values.items() if value is not None}, paths)


def _shots(file: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """The fields and the files of a film: one list, or with files the numbered fields of a form."""
    shots: list[dict[str, Any]] = []
    paths: dict[str, Path] = {}
    for index, shot in enumerate(read_shots(file)):
        values = shot.model_dump(exclude_none=True)
        for name in IMAGES:
            if name in values and not values[name].startswith(REFERENCES):
                paths[f"shots[{index}][{name}]"] = file.parent / values.pop(name)
        shots.append(values)
    if not paths:
        return {"shots": shots}, {}
    return {f"shots[{i}][{name}]": value for i, shot in enumerate(shots) for name, value in shot.items()}, paths


def _generation(options: ServiceOptions) -> dict[str, Any]:
    width, height = parse_size(options)
    loras = [split_scale(text) for text in options.lora or ()]
    return {
        "width": width,
        "height": height,
        "loras": [{"name": name} if scale is None else {"name": name, "scale": scale} for name, scale in loras] or None,
        "previews": None if options.previews_every is None else {"every_steps": options.previews_every},
    }


def _reference(name: str, text: str) -> Any:
    """The value of an input that is not a file; None for a path. Raises RefusedCommand for an empty text."""
    if not text:
        raise RefusedCommand(f"--{name.replace('_', '-')} is empty")
    if name == "video" and text.startswith("video_") and not Path(text).exists():
        return {"id": text}
    return text if text.startswith(REFERENCES) and not Path(text).exists() else None


def shot_prompts(texts: list[str]) -> dict[str, dict[str, str]]:
    """The changed shots of a film from INDEX=PROMPT. Raises RefusedCommand."""
    shots: dict[str, dict[str, str]] = {}
    for text in texts:
        index, _, prompt = text.partition("=")
        if not (index.isascii() and index.isdecimal() and prompt.strip()):
            raise RefusedCommand(f"--shot is INDEX=PROMPT, as in 1='a blue square'; got {text!r}")
        if index in shots:
            raise RefusedCommand(f"--shot {index} is there twice; leave one out")
        shots[index] = {"prompt": prompt}
    return shots


def parse_metadata(pairs: list[str] | None) -> dict[str, str] | None:
    """The pairs KEY=VALUE as an object; None without any. Raises RefusedCommand."""
    result = {}
    for text in pairs or ():
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise RefusedCommand(f"--metadata is KEY=VALUE, got {text!r}")
        result[key] = value
    return result or None


def _webhook(options: JobOptions) -> dict[str, Any] | None:
    if options.webhook is None:
        if options.webhook_event or options.webhook_secret:
            raise RefusedCommand("--webhook-event and --webhook-secret need --webhook")
        return None
    values = {"url": options.webhook, "events": options.webhook_event, "secret": options.webhook_secret}
    return {name: value for name, value in values.items() if value}
