"""`easyanimate reproduce`: makes a video again as its manifest says, and compares every frame."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from cli.local.recipe import LocalLora, Recipe, RecipeSettings, Sources
from cli.local.render import LoadedModel, PhaseClock, find_lora, frames_of, load_for_rendering
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model

if TYPE_CHECKING:
    from easyanimate.files.manifest import Manifest

OPTIONS = {"last_image": "--last-image", "continues": "--continue"}  # the others are called as the field is


def reproduce(
    file: Annotated[Path, typer.Argument(help="An .mp4 or .png of `easyanimate generate`, or the .json beside it.")],
    image: Annotated[Path | None, typer.Option(help="The start image it was made with.")] = None,
    last_image: Annotated[Path | None, typer.Option(help="The end image it was made with.")] = None,
    video: Annotated[Path | None, typer.Option(help="The video it was made from.")] = None,
    mask: Annotated[Path | None, typer.Option(help="The mask it was made with.")] = None,
    continues: Annotated[Path | None, typer.Option("--continue", help="The video it goes on from.")] = None,
    lora: Annotated[list[Path] | None, typer.Option(help="LoRA files that are not in the models folder.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's folder or name, if it is elsewhere.")] = None,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
) -> None:
    """Make a video again from its own manifest. Exit code 0: every frame is the same; 1: not; 2: it cannot be tried."""
    try:
        manifest = read_manifest(file)
        sources = Sources(image, last_image, video, mask, continues)
        check_sources(manifest, sources)
        folder = find_model(model or manifest.model, models_dir)
        check_model(manifest, folder)
        recipe = Recipe(read_request(manifest), sources, choose_loras(manifest, lora or [], models_dir))
        difference = compare(manifest, recipe, folder)
    except (EasyAnimateError, OSError) as problem:
        typer.echo(f"easyanimate reproduce: {problem}", err=True)
        raise typer.Exit(2) from problem
    if difference is not None:
        typer.echo(f"{file}: frame {difference} of {len(manifest.frames)} differs (the first is 0)")
        raise typer.Exit(1)
    typer.echo(f"{file}: all {len(manifest.frames)} frames are the same")


def read_manifest(file: Path) -> "Manifest":
    """The manifest in `file`; InvalidInput if there is none."""
    from easyanimate.files.file_comment import read_comment
    from easyanimate.files.manifest import Manifest

    text = file.read_text(encoding="utf-8") if file.suffix == ".json" else read_comment(file)
    if text is None:
        raise InvalidInput(f"{file} does not say how it was made")
    return Manifest.from_json(text)


def read_request(manifest: "Manifest") -> RecipeSettings:
    """The settings in a manifest, checked as if somebody had typed them."""
    try:
        return RecipeSettings.model_validate(dict(manifest.settings))
    except ValidationError as problem:
        raise InvalidInput(f"the manifest's settings are damaged: {problem}") from problem


def check_sources(manifest: "Manifest", sources: Sources) -> None:
    """The files that were given then, and no others, are given now."""
    from easyanimate.files.manifest import file_sha256

    given = dict(sources.items())
    for name in manifest.inputs.keys() | given.keys():
        option = OPTIONS.get(name, f"--{name}")
        if name not in given:
            raise InvalidInput(f"it was made with {option}; give the same file again")
        if name not in manifest.inputs:
            raise InvalidInput(f"it was made without {option}; leave it out")
        if file_sha256(given[name]) != manifest.inputs[name]:
            raise InvalidInput(f"{given[name]} is not the file it was made with as {option}")


def check_model(manifest: "Manifest", folder: Path) -> None:
    """The model is the one it was made with."""
    from easyanimate.files.manifest import model_sha256

    if model_sha256(folder) != manifest.model_sha256:
        raise InvalidInput(f"{folder} is not the model it was made with ({manifest.model}); give that one as --model")


def choose_loras(manifest: "Manifest", given: list[Path], models_dir: Path) -> tuple[LocalLora, ...]:
    """The LoRAs of the manifest, among the `given` files by their content, else in the models folder by name."""
    from easyanimate.files.manifest import file_sha256

    known = {file_sha256(path): path for path in given}
    choices = []
    for used in manifest.loras:
        path = known.get(used.sha256) or find_lora(used.name, models_dir)
        if file_sha256(path) != used.sha256:
            raise InvalidInput(f"{path} is not the LoRA {used.name} it was made with; give that file as --lora")
        choices.append(LocalLora(path, used.scale))
    return tuple(choices)


def compare(manifest: "Manifest", recipe: Recipe, folder: Path) -> int | None:
    """The first frame that comes out differently; none if all are the same."""
    from easyanimate.files.manifest import FrameHashes, first_difference

    asked = recipe.generation()
    shop = load_for_rendering(folder, manifest.memory, recipe, manifest.dtype)
    _say_what_differs(manifest, shop)
    made = FrameHashes()
    for piece in frames_of(shop, recipe, asked, PhaseClock()):
        made.add(piece)
        so_far = made.all()
        if first_difference(manifest.frames[: len(so_far)], so_far) is not None:
            break
    return first_difference(manifest.frames, made.all())


def _say_what_differs(manifest: "Manifest", shop: LoadedModel) -> None:
    """Other hardware and other libraries round otherwise."""
    from easyanimate.files.manifest import library_versions

    now = library_versions() | {"device": shop.device, "dtype": shop.dtype}
    then = {**manifest.libraries, "device": manifest.device, "dtype": manifest.dtype}
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            typer.echo(f"note: {name} was {then.get(name)}, and is {now.get(name)} here", err=True)
