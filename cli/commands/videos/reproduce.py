"""`easyanimate reproduce`: renders a video again from its manifest, and compares every frame."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from cli.errors import ExitCode, exit_on_error
from cli.local.film import find_images
from cli.local.recipe import Recipe, RecipeSettings, Sources
from cli.local.render import (
    LoadedModel,
    PhaseClock,
    compiled_of,
    cpu_threads_of,
    find_lora,
    load_for_rendering,
    open_frames,
)
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
        sources = SourceOptions(image, last_image, video, mask, continues, shots)
        models = (model, models_dir, lora or [])
        result = find_difference(manifest, sources, (prompt, negative_prompt), models)
    count, difference = len(manifest.frames), result["first_difference"]
    if as_json:
        typer.echo(json.dumps({"path": str(file), "num_frames": count, "first_difference": difference}, indent=2))
    elif difference is None:
        typer.echo(f"{file}: {f'all {count} frames are' if count > 1 else 'the frame is'} the same")
    else:
        typer.echo(f"{file}: frame {difference} of {count} differs (the first is 0)")
    if difference is not None:
        raise typer.Exit(ExitCode.FAILED)


@dataclass(frozen=True)
class SourceOptions:
    """The options that name input files; `shots` is the file of a film."""

    image: Path | None = None
    last_image: Path | None = None
    video: Path | None = None
    mask: Path | None = None
    continues: Path | None = None
    shots: Path | None = None


def find_difference(
    manifest: "Manifest",
    options: SourceOptions,
    prompts: tuple[str | None, str | None],
    models: tuple[str | None, Path, list[Path]],
    window: int | None = None,
) -> dict[str, int | None]:
    """Renders the frames again, all or those of one window: how many were compared, and the first that differs.

    `prompts` are those that the manifest lacks. `models` are the model, the models folder and LoRA files. Raises
    InvalidInput, CheckpointError.
    """
    entries = () if options.shots is None else read_shots(options.shots)
    images = {} if options.shots is None else find_images(options.shots, entries)
    files = (options.image, options.last_image, options.video, options.mask, options.continues)
    sources = Sources(*files, images)
    check_sources(manifest, sources)
    folder = find_model(models[0] or manifest.model, models[1])
    check_model(manifest, folder)
    settings = read_request(manifest, *prompts, entries)
    recipe = Recipe(settings, sources, choose_loras(manifest, models[2], models[1]))
    return compare_frames(manifest, recipe, folder, window)


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


def compare_frames(
    manifest: "Manifest", recipe: Recipe, folder: Path, window: int | None = None
) -> dict[str, int | None]:
    """How many frames were compared, and the index of the first that differs; None if all are the same.

    A window begins with frames of the one before: all windows up to `window` are rendered, and only its own compared.
    """
    from easyanimate.files.manifest import FrameHashes, first_difference

    first, end = _span(manifest, recipe, window)
    inputs = recipe.inputs()
    threads = cpu_threads_of(str(manifest.cpu_threads or "auto"))
    computed = manifest.dtype, threads, manifest.attention_kernels, compiled_of(manifest.compiled or "off")
    model = load_for_rendering(folder, manifest.memory, recipe, *computed)
    _echo_differences(manifest, model)
    hashes = FrameHashes()
    with open_frames(model.pipe, inputs, recipe.loras, PhaseClock()) as (frames, _):
        for piece in frames:
            hashes.add(piece)
            so_far = hashes.all()
            if len(so_far) >= end or first_difference(manifest.frames[first : len(so_far)], so_far[first:]) is not None:
                break
    difference = first_difference(manifest.frames[first:end], hashes.all()[first:end])
    return {"num_frames": end - first, "first_difference": None if difference is None else first + difference}


def _span(manifest: "Manifest", recipe: Recipe, window: int | None) -> tuple[int, int]:
    """The first frame of the window in the file, and the one after its last; all frames without a window."""
    total = len(manifest.frames)
    if window is None:
        return 0, total
    plan = recipe.plan()
    if window >= len(plan):
        raise InvalidInput(f"the video has {len(plan)} windows, counted from 0; there is no window {window}")
    before = total - plan[-1].end  # frames of the video that it extends
    return (plan[window - 1].end if window else 0) + before, plan[window].end + before


def _echo_differences(manifest: "Manifest", model: LoadedModel) -> None:
    """Prints which hardware and libraries differ; they may round differently."""
    from easyanimate.files.manifest import library_versions

    now = library_versions() | {"device": model.device, "dtype": model.dtype}
    then = {**manifest.libraries, "device": manifest.device, "dtype": manifest.dtype}
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            typer.echo(f"note: {name} was {then.get(name)}, and is {now.get(name)} here", err=True)
