"""`easyanimate reproduce`: renders a video again from its manifest, and compares every frame."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from cli.errors import ExitCode, exit_on_error
from cli.local.film import find_images
from cli.local.recipe import Recipe, RecipeSettings, Sources
from cli.local.render import LoadedModel, PhaseClock, cpu_threads_of, find_lora, load_for_rendering, open_frames
from cli.options import AsJson
from cli.shots_file import ShotEntry, read_shots
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model

if TYPE_CHECKING:
    from easyanimate.files.manifest import Manifest
    from easyanimate.render import LoraSource

NO_PROMPT = (
    "the file is of a service, which leaves the prompts out: pass --prompt (and --negative-prompt), or reproduce the "
    "manifest of `easyanimate download ID --variant manifest`"
)
NO_SHOT_PROMPTS = (
    "the file is of a service, which leaves the prompts out: pass the shots of the film as --shots, or reproduce the "
    "manifest of `easyanimate download ID --variant manifest`"
)
OPTIONS = {"last_image": "--last-image", "continues": "--continue"}  # the other options have the field's name


def reproduce(
    file: Annotated[Path, typer.Argument(help="An .mp4 or .png of `easyanimate generate`, or the .json beside it.")],
    image: Annotated[Path | None, typer.Option(help="The start image of the video.")] = None,
    last_image: Annotated[Path | None, typer.Option(help="The end image of the video.")] = None,
    video: Annotated[Path | None, typer.Option(help="The source video of the video.")] = None,
    mask: Annotated[Path | None, typer.Option(help="The mask of the video.")] = None,
    continues: Annotated[Path | None, typer.Option("--continue", help="The video that it extends.")] = None,
    shots: Annotated[
        Path | None,
        typer.Option(metavar="FILE.yaml", help="The shots of a film: their images, and prompts that the file lacks."),
    ] = None,
    lora: Annotated[list[Path] | None, typer.Option(help="LoRA files that are not in the models folder.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The prompt: an MP4 of a service does not contain it.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="The negative prompt, in the same case.")] = None,
    model: Annotated[str | None, typer.Option(help="The folder or name of the model, if not the manifest's.")] = None,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    as_json: AsJson = False,
) -> None:
    """Render a video again from its manifest. Exit code 0: all frames are the same; 1: some differ; 2: not possible."""
    errors = (EasyAnimateError, OSError)
    with exit_on_error("reproduce", *errors, code=ExitCode.REFUSED, on_interrupt="stopped; nothing is written"):
        manifest = read_manifest(file)
        entries = () if shots is None else read_shots(shots)
        images = {} if shots is None else find_images(shots, entries)
        sources = Sources(image, last_image, video, mask, continues, images)
        check_sources(manifest, sources)
        folder = find_model(model or manifest.model, models_dir)
        check_model(manifest, folder)
        settings = read_request(manifest, prompt, negative_prompt, entries)
        recipe = Recipe(settings, sources, choose_loras(manifest, lora or [], models_dir))
        difference = compare_frames(manifest, recipe, folder)
    count = len(manifest.frames)
    if as_json:
        typer.echo(json.dumps({"path": str(file), "num_frames": count, "first_difference": difference}, indent=2))
    elif difference is None:
        typer.echo(f"{file}: {f'all {count} frames are' if count > 1 else 'the frame is'} the same")
    else:
        typer.echo(f"{file}: frame {difference} of {count} differs (the first is 0)")
    if difference is not None:
        raise typer.Exit(ExitCode.FAILED)


def read_manifest(file: Path) -> "Manifest":
    """The manifest in `file`; InvalidInput if there is none."""
    from easyanimate.files.file_comment import read_comment
    from easyanimate.files.manifest import Manifest

    text = file.read_text(encoding="utf-8") if file.suffix == ".json" else read_comment(file)
    if text is None:
        raise InvalidInput(f"{file} contains no manifest")
    return Manifest.from_json(text)


def read_request(
    manifest: "Manifest",
    prompt: str | None = None,
    negative_prompt: str | None = None,
    shots: Sequence[ShotEntry] = (),
) -> RecipeSettings:
    """The settings in a manifest, validated, with the prompts that it does not have."""
    settings = dict(manifest.settings)
    if "shots" in settings or shots:
        settings |= _with_shot_prompts(settings.get("shots"), negative_prompt, shots)
    for name, text in (("prompt", prompt), ("negative_prompt", negative_prompt)):
        if text is not None and settings.setdefault(name, text) != text:
            raise InvalidInput(f"the manifest has another {name}; leave out --{name.replace('_', '-')}")
    if "prompt" not in settings:
        raise InvalidInput(NO_SHOT_PROMPTS if "shots" in settings else NO_PROMPT)
    try:
        return RecipeSettings.model_validate(settings)
    except ValidationError as problem:
        fault = problem.errors(include_url=False)[0]
        field = ".".join(map(str, fault["loc"])) or "the settings"
        raise InvalidInput(f"the manifest is damaged at {field}: {fault['msg']}") from problem


def _with_shot_prompts(recorded: Any, negative_prompt: str | None, entries: Sequence[ShotEntry]) -> dict[str, Any]:
    """The shots of a manifest, and the prompt of the film, with the prompts of `entries` that they do not have."""
    if not isinstance(recorded, list) or not all(isinstance(shot, dict) for shot in recorded):
        raise InvalidInput("the video was rendered without --shots; leave it out")
    if entries and len(entries) != len(recorded):
        raise InvalidInput(f"the film has {len(recorded)} shots, and the file of --shots {len(entries)}; pass its own")
    shots = [dict(shot) for shot in recorded]
    for index, (shot, entry) in enumerate(zip(shots, entries, strict=False)):
        negative = (negative_prompt or "") if entry.negative_prompt is None else entry.negative_prompt
        if shot.setdefault("prompt", entry.prompt) != entry.prompt:
            raise InvalidInput(f"the manifest has another prompt of shots[{index}]; pass the file of this film")
        shot.setdefault("negative_prompt", negative)
    if not all("prompt" in shot for shot in shots):
        return {"shots": shots}
    return {"shots": shots, "prompt": "\n".join(str(shot["prompt"]) for shot in shots)}


def check_sources(manifest: "Manifest", sources: Sources) -> None:
    """Checks that the input files are those of the manifest."""
    from easyanimate.files.manifest import file_sha256

    files = sources.files()
    for name in manifest.inputs.keys() | files.keys():
        option = f"--shots, as {name}" if name.startswith("shots[") else OPTIONS.get(name, f"--{name}")
        if name not in files:
            raise InvalidInput(f"the video was rendered with {option}; pass the same file")
        if name not in manifest.inputs:
            raise InvalidInput(f"the video was rendered without {option}; leave it out")
        if file_sha256(files[name]) != manifest.inputs[name]:
            raise InvalidInput(f"{files[name]} is not the file that was used as {option}")


def check_model(manifest: "Manifest", folder: Path) -> None:
    """Checks that the model is that of the manifest."""
    from easyanimate.files.manifest import model_sha256

    if model_sha256(folder) != manifest.model_sha256:
        raise InvalidInput(f"{folder} is not the model of the video ({manifest.model}); pass that one as --model")


def choose_loras(manifest: "Manifest", files: list[Path], models_dir: Path) -> "tuple[LoraSource, ...]":
    """The LoRAs of the manifest: among `files` by their content, else in the models folder by name."""
    from easyanimate.files.manifest import file_sha256
    from easyanimate.render import LoraSource

    paths = {file_sha256(path): path for path in files}
    choices = []
    for used in manifest.loras:
        path = paths.get(used.sha256) or find_lora(used.name, models_dir)
        if file_sha256(path) != used.sha256:
            raise InvalidInput(f"{path} is not the LoRA {used.name} of the video; pass that file as --lora")
        choices.append(LoraSource(path, used.scale))
    return tuple(choices)


def compare_frames(manifest: "Manifest", recipe: Recipe, folder: Path) -> int | None:
    """The index of the first frame that differs; None if all are the same."""
    from easyanimate.files.manifest import FrameHashes, first_difference

    inputs = recipe.inputs()
    threads = cpu_threads_of(str(manifest.cpu_threads or "auto"))
    model = load_for_rendering(folder, manifest.memory, recipe, manifest.dtype, threads)
    _echo_differences(manifest, model)
    hashes = FrameHashes()
    with open_frames(model.pipe, inputs, recipe.loras, PhaseClock()) as (frames, _):
        for piece in frames:
            hashes.add(piece)
            so_far = hashes.all()
            if first_difference(manifest.frames[: len(so_far)], so_far) is not None:
                break
    return first_difference(manifest.frames, hashes.all())


def _echo_differences(manifest: "Manifest", model: LoadedModel) -> None:
    """Prints which hardware and libraries differ; they may round differently."""
    from easyanimate.files.manifest import library_versions

    now = library_versions() | {"device": model.device, "dtype": model.dtype}
    then = {**manifest.libraries, "device": manifest.device, "dtype": manifest.dtype}
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            typer.echo(f"note: {name} was {then.get(name)}, and is {now.get(name)} here", err=True)
