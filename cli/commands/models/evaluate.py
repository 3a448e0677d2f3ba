"""`easyanimate evaluate`: whether a model of the procedural set does what its captions say."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.local.render import DEFAULT_MODEL, LoadedModel, find_lora, load_model
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from worker.models.cards import read_card

if TYPE_CHECKING:
    from easyanimate.evaluation import EvaluationModel, EvaluationTask, GeneratedVideo, Setup, TaskResult, Threshold

NO_MATTER = ("captions", "seed", "lora", "schedulers")  # told apart otherwise, or free to change from run to run


def evaluate(
    model: Annotated[
        str, typer.Option(help="A folder, a name in the models folder, or 512, 768, 960.")
    ] = DEFAULT_MODEL,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    captions: Annotated[int, typer.Option(help="Held-out captions; sweeps take an eighth of them.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the captions and the noise.")] = 0,
    only: Annotated[str | None, typer.Option(help="Parts, divided by commas: t2v,i2v,vae. All without it.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder; what is in it goes on.")] = Path(
        "evaluation"
    ),
    floor: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER to reach; may be said many times.")] = None,
    lora: Annotated[str | None, typer.Option(help="NAME or FILE of a LoRA that outlines shapes.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How strictly to obey.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="The sampler.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes with a model each, for a small one on a CPU.")] = 1,
    memory: Annotated[str, typer.Option(help="auto, normal, low or lowest.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16; auto is float32 on a CPU.")] = "auto",
) -> None:
    """Make clips of held-out captions, measure what they show, and write report.md, report.json and contact sheets.

    What is not said comes from the model's card. Ends with 1 if a floor is missed. Stopped, the same command goes on.
    """
    from easyanimate.evaluation import choose_groups, plan_tasks, read_threshold

    try:
        folder = find_model(model, models_dir)
        said = {"num_inference_steps": steps, "guidance_scale": guidance_scale, "scheduler": scheduler}
        file = None if lora is None else find_lora(lora, models_dir)
        setup = read_setup(read_card(folder), said, captions, seed, file)
        tasks = plan_tasks(choose_groups(only, setup), setup)
        floors = [read_threshold(text, _groups(tasks)) for text in floor or ()]
        output.mkdir(parents=True, exist_ok=True)
        shop = _load(folder, memory, dtype, setup)
        missed = evaluate_all(shop, setup, tasks, floors, output, workers)
    except KeyboardInterrupt:
        typer.echo(f"stopped; the same command goes on from what is in {output}", err=True)
        raise typer.Exit(130) from None
    except (EasyAnimateError, InvalidRequest, OSError) as problem:
        typer.echo(f"easyanimate evaluate: {problem}", err=True)
        raise typer.Exit(2) from problem
    if missed:
        typer.echo(f"missed: {', '.join(f'{each.name} {each.least:g}' for each in missed)}", err=True)
        raise typer.Exit(1)


def read_setup(card: ModelCard, said: dict[str, Any], captions: int, seed: int, lora: Path | None) -> "Setup":
    """The settings of the card's defaults and what was said; InvalidInput or InvalidRequest for what cannot be."""
    from easyanimate.evaluation import Setup
    from easyanimate.pipeline import Generation

    usual: dict[str, Any] = {
        "num_inference_steps": card.default_num_inference_steps,
        "guidance_scale": card.default_guidance_scale,
        "scheduler": card.default_scheduler,
    }
    settings = {**usual, **{name: value for name, value in said.items() if value is not None}}
    num_frames = min(card.default_num_frames, card.window) // 8 * 8
    if not num_frames:
        raise InvalidInput(f"{card.name} makes pictures only; an evaluation takes clips of 8 frames or more")
    size: dict[str, Any] = {"width": card.default_width, "height": card.default_height, "num_frames": num_frames}
    card.check_sampling(settings["scheduler"], settings["num_inference_steps"])
    Generation(prompt="", **size, **settings)
    return Setup(**size, **settings, schedulers=card.schedulers, captions=captions, seed=seed, lora=lora)


def _groups(tasks: "list[EvaluationTask]") -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for task in tasks:
        named = groups.setdefault(task.part, [])
        if task.group not in named:
            named.append(task.group)
    return groups


def evaluate_all(
    shop: LoadedModel,
    setup: "Setup",
    tasks: "list[EvaluationTask]",
    floors: "list[Threshold]",
    output: Path,
    workers: int,
) -> "list[Threshold]":
    """Make and judge all clips with a bar over the work left, write the report, show it; the floors missed."""
    from tqdm import tqdm

    from easyanimate.evaluation import Ledger, run_tasks, write_report

    about = describe(shop, setup)
    ledger = Ledger(output, about)
    work = sum(task.cost(setup.num_inference_steps) for task in tasks)
    done = sum(task.cost(setup.num_inference_steps) for task in tasks if task.key in ledger.results)
    with tqdm(total=work, initial=done, desc="evaluating", unit="step") as bar:

        def on_task(task: "EvaluationTask") -> None:
            bar.set_postfix_str(task.part, refresh=False)
            bar.update(task.cost(setup.num_inference_steps))

        results = run_tasks(tasks, _makers(shop, setup, workers), ledger, on_task)
    missed = write_report(output, {**about, "captions": setup.captions, **surroundings()}, results, floors, ledger)
    show_result(results)
    typer.echo(f"{output / 'report.md'}: tables and contact sheets")
    return missed


def _makers(
    shop: LoadedModel, setup: "Setup", workers: int
) -> "Callable[[Sequence[EvaluationTask]], Iterable[GeneratedVideo]]":
    """How clips are made: with the model loaded here, or with one in each of several processes."""
    from easyanimate.evaluation import EvaluationModel, in_turn, side_by_side

    if workers == 1:
        return partial(in_turn, maker=EvaluationModel(shop.pipe, setup))
    return partial(
        side_by_side, open_maker=partial(_open_maker, shop.folder, shop.memory, shop.dtype, setup), workers=workers
    )


def _load(folder: Path, memory: str, dtype: str, setup: "Setup") -> LoadedModel:
    return load_model(folder, memory, (setup.width, setup.height, setup.num_frames), dtype)


def _open_maker(folder: Path, memory: str, dtype: str, setup: "Setup") -> "EvaluationModel":
    from easyanimate.evaluation import EvaluationModel

    return EvaluationModel(_load(folder, memory, dtype, setup).pipe, setup)


def describe(shop: LoadedModel, setup: "Setup") -> dict[str, Any]:
    """What results depend on: those of anything else are not mixed with them."""
    from easyanimate.files.manifest import file_sha256, model_sha256

    depends = {name: value for name, value in asdict(setup).items() if name not in NO_MATTER}
    return {
        "model": shop.folder.resolve().name,
        "model_sha256": model_sha256(shop.folder),
        "seed": setup.seed,
        "settings": {name: value for name, value in depends.items() if name != "world"},
        "world": depends["world"],
        "lora_sha256": None if setup.lora is None else file_sha256(setup.lora),
        "device": shop.device,
        "dtype": shop.dtype,
        "memory": shop.memory,
    }


def surroundings() -> dict[str, Any]:
    """The machine and the libraries, which results hardly depend on."""
    from easyanimate.files.manifest import library_versions

    return {
        "libraries": library_versions(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }


def show_result(results: "list[TaskResult]") -> None:
    """The tables, on the screen."""
    from easyanimate.evaluation import METRIC_GROUPS, by_group, lines_of

    for part, groups in by_group(results).items():
        typer.echo(f"\n{METRIC_GROUPS[part].title}")
        for line in lines_of(part, groups):
            typer.echo(line)
    typer.echo("")
