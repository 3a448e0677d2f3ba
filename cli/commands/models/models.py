"""`easyanimate models …`: pulls, imports, lists and checks the models on this machine."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from cli.commands.models.rehearse import rehearse
from cli.commands.models.retire import retire
from cli.errors import exit_on_error
from cli.options import AsJson
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model

if TYPE_CHECKING:
    from easyanimate.models.inspection import ModelReport
    from easyanimate.models.local_models import LoraEntry, ModelEntry
    from easyanimate.models.networks import NetworkReport
    from jobs.model.model_card import ModelCard

app = typer.Typer(help="The models on this machine.", no_args_is_help=True)

ModelsDir = Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR", help="The folder of all models.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a model of the same name.")]
DEFAULT_DIR = Path("models")
FRAMES = (1, 24, 48, 72, 96, 144)
SIZES = ((256, 256), (672, 384), (512, 512), (1008, 576), (768, 768), (1280, 720), (960, 960))  # width, height

GPU_LEGEND = ("normal: everything on the device; low: one network at a time; lowest: layer by layer, in 8 bits",)
CPU_LEGEND = (
    "normal: in float32; low: in float32, with --memory low;",
    "bf16: with --dtype bfloat16 (of a worker: EASYANIMATE_DTYPE=bfloat16), alone or with --memory low or lowest;",
    "on a CPU low computes the guidance one after the other; lowest has weights in 8 bits, too",
)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="512, 768, 960, or the full name, as EasyAnimateV3-XL-2-InP-512x512.")],
    revision: Annotated[str, typer.Option(help="A branch, tag or commit of the repository.")] = "main",
    models_dir: ModelsDir = DEFAULT_DIR,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Download a published model from the Hugging Face hub. The same command resumes an interrupted download."""
    from easyanimate.models.transfer.hub import pull_model

    with _exit_on_error("pull", hint="downloaded files are kept; the same command resumes the download"):
        folder = pull_model(name, models_dir, revision=revision, force=force, make_card=card_text)
        _echo_folder(folder, as_json)


@app.command("import")
def import_(
    archive: Annotated[Path, typer.Argument(help="The published .tar, or a .tar.gz; - reads it from a pipe.")],
    models_dir: ModelsDir = DEFAULT_DIR,
    name: Annotated[str | None, typer.Option(help="The name of the model. Default: the name of its folder.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Unpack a published archive, check it, and add it to the models."""
    from easyanimate.models.transfer.archive import import_archive, import_stream

    with _exit_on_error("import", hint="no files are left"):
        if str(archive) == "-":
            label, stream = "standard input", _piped_input()
            folder = import_stream(stream, label, models_dir, name=name, force=force, make_card=card_text)
        else:
            folder = import_archive(archive, models_dir, name=name, force=force, make_card=card_text)
        _echo_folder(folder, as_json)


def _echo_folder(folder: Path, as_json: bool) -> None:
    typer.echo(json.dumps({"folder": str(folder)}, indent=2) if as_json else f"{folder} is complete and loads")


app.command()(rehearse)
app.command()(retire)


def _piped_input() -> BinaryIO:
    """Standard input as bytes. InvalidInput if it is closed or a terminal."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInput("- reads an archive from a pipe, as in: curl URL | easyanimate models import -")
    return sys.stdin.buffer


@app.command("list")
def list_(models_dir: ModelsDir = DEFAULT_DIR, as_json: AsJson = False) -> None:
    """List the models and LoRA files on this machine."""
    from easyanimate.models.local_models import list_loras, list_model_folders

    models, loras = list_model_folders(models_dir), list_loras(models_dir)
    if as_json:
        typer.echo(json.dumps(_values(models, loras), indent=2))
        return
    if not models and not loras:
        small = "`easyanimate up` creates the small one"
        typer.echo(
            f"no models in {models_dir}; {small}, `easyanimate models pull 512` downloads a published one (18 GB)"
        )
    for model in models:
        state = _state(model.missing, model.unfinished)
        typer.echo(f"{model.name}  {size_text(model.size_bytes)}  {_limits(model.folder)}  {state}")
    for lora in loras:
        typer.echo(f"loras/{lora.name}  {size_text(lora.size_bytes)}")


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="A folder, or the name or short name of a model.")],
    models_dir: ModelsDir = DEFAULT_DIR,
    hashes: Annotated[
        bool, typer.Option("--hashes", help="Read all files: compare their hashes with the source, and search for NaN.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the content of a model folder, its problems, and which clips fit into memory."""
    from easyanimate.models.inspection import inspect_model

    with _exit_on_error("check"):
        report = inspect_model(find_model(model, models_dir), hashes=hashes)
        if as_json:
            typer.echo(json.dumps(_report_values(report), indent=2))
        else:
            for line in _report_lines(report):
                typer.echo(line)
    if report.problems:
        raise typer.Exit(1)


def card_text(published_as: str, name: str) -> str | None:
    """card.json for the model `name`; None if neither name is that of a published V3 model."""
    from worker.models.cards import PUBLISHED, published_card

    match = PUBLISHED.search(published_as) or PUBLISHED.search(name)
    if match is None:
        return None
    return published_card(name, int(match[1].split("x")[0])).model_dump_json(indent=2) + "\n"


def size_text(size_bytes: int) -> str:
    """A size in a readable unit: 18.2 GB, 9.6 MB, 512 bytes."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"


def _values(models: "list[ModelEntry]", loras: "list[LoraEntry]") -> dict[str, Any]:
    """Models and LoRA files as values of JSON."""
    folders = [
        {
            "name": each.name,
            "size_bytes": each.size_bytes,
            "complete": not each.missing and not each.unfinished,
            "missing": list(each.missing),
        }
        for each in models
    ]
    return {"models": folders, "loras": [{"name": each.name, "size_bytes": each.size_bytes} for each in loras]}


def _report_values(report: "ModelReport") -> dict[str, Any]:
    """The content and the problems of a model folder as values of JSON."""
    networks = [
        {
            "name": each.name,
            "class_name": each.class_name,
            "num_parameters": each.num_parameters,
            "dtypes": list(each.dtypes),
            "size_bytes": each.size_bytes,
            "unused_tensors": dict(each.unused_tensors),
        }
        for each in report.networks
    ]
    folder, problems = str(report.folder), list(report.problems)
    return {"folder": folder, "size_bytes": report.size_bytes, "networks": networks, "problems": problems}


def _report_lines(report: "ModelReport") -> Iterator[str]:
    yield f"{report.folder}: {size_text(report.size_bytes)}"
    for network in report.networks:
        yield _network_line(network)
        if network.unused_tensors:
            yield f"    not used: {_unused_tensors_text(network)}"
    if report.problems:
        count = len(report.problems)
        yield f"\nit does not load, or does not work: {count} problem{'s' if count > 1 else ''}"
        yield from (f"- {problem}" for problem in report.problems)
        return
    yield "\nit loads\n"
    yield from _capacity_lines(report)
    yield from _word_lines(_card(report.folder))


def _state(missing: tuple[str, ...], unfinished: bool) -> str:
    if unfinished:
        return "unfinished: pull it again to resume"
    if not missing:
        return "complete"
    verb = "is" if len(missing) == 1 else "are"
    return f"incomplete: {', '.join(missing)} {verb} missing"


def _limits(folder: Path) -> str:
    card = _card(folder)
    if card is None:
        return "no card"
    return f"{card.default_width}x{card.default_height} (up to {card.max_pixels} pixels), {card.max_frames} frames"


def _card(folder: Path) -> "ModelCard | None":
    from worker.models.cards import read_card

    try:
        return read_card(folder)
    except EasyAnimateError:
        return None


def _word_lines(card: "ModelCard | None") -> Iterator[str]:
    """The words that the model knows, by kind, and prompts that it makes well."""
    if card is None or card.words is None:
        return
    yield "\nwords that it knows"
    for kind, words in card.words:
        yield f"  {kind}: {', '.join(words)}"
    yield "\nprompts that it makes well"
    yield from (f"  {example}" for example in card.examples)


def _network_line(network: "NetworkReport") -> str:
    parameters = "-" if network.num_parameters is None else f"{network.num_parameters:,} parameters"
    kinds = " + ".join(network.dtypes) or "-"
    return f"  {network.name:14} {network.class_name:30} {parameters:>24}  {kinds}  {size_text(network.size_bytes)}"


def _unused_tensors_text(network: "NetworkReport") -> str:
    """The tensors of the file that the network does not have, by the prefix of their names."""
    return ", ".join(
        f"{count} {'tensor' if count == 1 else 'tensors'} of {name}" for name, count in network.unused_tensors.items()
    )


def _capacity_lines(report: "ModelReport") -> Iterator[str]:
    """A table with a row per size and a column per number of frames."""
    from easyanimate.models.capacity import fitting_profile, free_memory, is_published_size

    if not is_published_size(report):
        yield "the memory of a clip is estimated for models of the published size only"
        return
    memory, card = free_memory(), _card(report.folder)
    frames = [count for count in FRAMES if card is None or count <= card.max_frames]
    yield f"what fits into the {size_text(memory.free_bytes)} free on {memory.device} (estimated):"
    column = 8 if memory.is_gpu else 13
    yield f"  {'size':>10}" + "".join(f"{count:>{column}}" for count in frames) + "   frames"
    for width, height in _sizes(card):
        fits = (fitting_profile(memory, width, height, count) for count in frames)
        yield f"  {f'{width}x{height}':>10}" + "".join(f"{profile:>{column}}" for profile in fits)
    yield from GPU_LEGEND if memory.is_gpu else CPU_LEGEND


def _sizes(card: "ModelCard | None") -> list[tuple[int, int]]:
    """The width and height of each row: sizes within the card's limit, or all."""
    return [size for size in SIZES if card is None or size[0] * size[1] <= card.max_pixels]


@contextmanager
def _exit_on_error(command: str, hint: str = "") -> Iterator[None]:
    """Prints errors of the library as one message with exit code 2; the code of an interruption is 130."""
    from diffusers.utils import logging

    logging.set_verbosity_error()  # hides a note on precision for every network
    interrupted = f"interrupted{'; ' + hint if hint else ''}"
    with exit_on_error(f"models {command}", EasyAnimateError, code=2, on_interrupt=interrupted):
        yield
