"""`easyanimate evaluate`: measures whether clips of a model match their captions."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.bar import open_bar
from cli.errors import exit_on_error
from cli.local.marks import marked_image_saver
from cli.local.render import (
    DEFAULT_MODEL,
    CpuThreadsOption,
    LoadedModel,
    ModelOption,
    cpu_threads_of,
    find_lora,
    load_model,
)
from cli.options import AsJson
from easyanimate.errors import EasyAnimateError, InvalidInput
from easyanimate.models.lookup import find_model
from jobs.errors import InvalidRequest
from jobs.invalid_settings import InvalidSettings
from jobs.model.model_card import ModelCard
from worker.models.cards import read_card

if TYPE_CHECKING:
    from easyanimate.evaluation import EvaluatedClip, EvaluationModel, EvaluationTask, Setup, TaskResult, Threshold

EXCLUDED_SETTINGS = ("captions", "seed", "lora", "schedulers")  # recorded separately, or free to change


def evaluate(
    model: ModelOption = DEFAULT_MODEL,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    captions: Annotated[int, typer.Option(help="Number of held-out captions; sweeps use an eighth of them.")] = 200,
    seed: Annotated[int, typer.Option(help="The seed of captions and noise.")] = 0,
    only: Annotated[str | None, typer.Option(help="Parts, separated by commas: t2v,i2v,vae. Default: all.")] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder of the results; an evaluation in it is resumed.")
    ] = Path("evaluation"),
    floor: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER, a minimum to reach. Can be repeated.")] = None,
    lora: Annotated[str | None, typer.Option(help="NAME or FILE of a LoRA that outlines shapes.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="Strength of the prompt; 1 is without guidance.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="The noise scheduler.")] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes, each with its own model; for a small model on a CPU.")
    ] = 1,
    memory: Annotated[str, typer.Option(help="auto, normal, low or lowest.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16; auto is float32 on a CPU.")] = "auto",
    cpu_threads: CpuThreadsOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Render clips of held-out captions, measure their content, and write report.md, report.json and contact sheets.

    Defaults are those of the model's card. Exit code 1 if a minimum is missed. The same command resumes a stopped run.
    """
    from easyanimate.evaluation import choose_groups, plan_tasks, read_threshold

    stopped = f"stopped; the same command resumes from {output}"
    refused = (EasyAnimateError, InvalidRequest, InvalidSettings, OSError)
    with exit_on_error("evaluate", *refused, code=2, on_interrupt=stopped):
        folder = find_model(model, models_dir)
        options = {"num_inference_steps": steps, "guidance_scale": guidance_scale, "scheduler": scheduler}
        file = None if lora is None else find_lora(lora, models_dir)
        setup = read_setup(read_card(folder), options, captions, seed, file)
        tasks = plan_tasks(choose_groups(only, setup), setup)
        thresholds = [read_threshold(text, _groups(tasks)) for text in floor or ()]
        output.mkdir(parents=True, exist_ok=True)
        loaded = _load(folder, memory, dtype, setup, 1 if workers > 1 else cpu_threads_of(cpu_threads))
        missed = evaluate_all(loaded, setup, tasks, thresholds, output, workers, as_json=as_json)
    if missed:
        typer.echo(f"missed: {', '.join(f'{each.name} {each.minimum:g}' for each in missed)}", err=True)
        raise typer.Exit(1)


def read_setup(card: ModelCard, options: dict[str, Any], captions: int, seed: int, lora: Path | None) -> "Setup":
    """The card's defaults with the options; InvalidInput or InvalidRequest for settings that the model refuses."""
    from easyanimate.evaluation import Setup
    from easyanimate.pipeline import Generation

    defaults: dict[str, Any] = {
        "num_inference_steps": card.default_num_inference_steps,
        "guidance_scale": card.default_guidance_scale,
        "scheduler": card.default_scheduler,
    }
    settings = {**defaults, **{name: value for name, value in options.items() if value is not None}}
    num_frames = min(card.default_num_frames, card.window) // 8 * 8
    if not num_frames:
        raise InvalidInput(f"{card.name} renders images only; an evaluation needs clips of 8 frames or more")
    size: dict[str, Any] = {"width": card.default_width, "height": card.default_height, "num_frames": num_frames}
    card.check_sampling(settings["scheduler"], settings["num_inference_steps"])
    Generation(prompt="", **size, **settings)
    return Setup(**size, **settings, schedulers=card.schedulers, captions=captions, seed=seed, lora=lora)


def _groups(tasks: "list[EvaluationTask]") -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for task in tasks:
        names = groups.setdefault(task.part, [])
        if task.group not in names:
            names.append(task.group)
    return groups


def evaluate_all(
    loaded: LoadedModel,
    setup: "Setup",
    tasks: "list[EvaluationTask]",
    thresholds: "list[Threshold]",
    output: Path,
    workers: int,
    *,
    as_json: bool = False,
) -> "list[Threshold]":
    """Renders and measures all clips, writes and prints the report; returns the missed thresholds."""
    from easyanimate.evaluation import Ledger, run_tasks, write_report

    about = describe_run(loaded, setup)
    ledger = Ledger(output, about, marked_image_saver(about["model"], about["model_sha256"]))
    work = sum(task.cost(setup.num_inference_steps) for task in tasks)
    done = sum(task.cost(setup.num_inference_steps) for task in tasks if task.key in ledger.results)
    with open_bar("evaluating", work) as bar:

        def on_task(task: "EvaluationTask") -> None:
            nonlocal done
            done += task.cost(setup.num_inference_steps)
            bar.update(done, task.part, f"{done}/{work} steps")

        results = run_tasks(tasks, _generators(loaded, setup, workers), ledger, on_task)
    run = {**about, "captions": setup.captions, "cpu_threads": loaded.cpu_threads, **machine_info()}
    missed = write_report(output, run, results, thresholds, ledger)
    if as_json:
        typer.echo((output / "report.json").read_text(encoding="utf-8"), nl=False)
    else:
        show_result(results)
        typer.echo(f"{output / 'report.md'}: tables and contact sheets")
    return missed


def _generators(
    loaded: LoadedModel, setup: "Setup", workers: int
) -> "Callable[[Sequence[EvaluationTask]], Iterable[EvaluatedClip]]":
    """Renders clips with the model of this process, or with one in each of several processes."""
    from easyanimate.evaluation import EvaluationModel, run_in_processes, run_sequentially

    if workers == 1:
        return partial(run_sequentially, model=EvaluationModel(loaded.pipe, setup))
    return partial(
        run_in_processes,
        open_model=partial(_open_model, loaded.folder, loaded.memory, loaded.dtype, setup, loaded.cpu_threads),
        workers=workers,
    )


def _load(folder: Path, memory: str, dtype: str, setup: "Setup", cpu_threads: int | None) -> LoadedModel:
    return load_model(folder, memory, (setup.width, setup.height, setup.num_frames), dtype, cpu_threads)


def _open_model(folder: Path, memory: str, dtype: str, setup: "Setup", cpu_threads: int | None) -> "EvaluationModel":
    from easyanimate.evaluation import EvaluationModel

    return EvaluationModel(_load(folder, memory, dtype, setup, cpu_threads).pipe, setup)


def describe_run(loaded: LoadedModel, setup: "Setup") -> dict[str, Any]:
    """Everything that determines the results; results of other runs are not mixed with them."""
    from easyanimate.files.manifest import file_sha256, model_sha256

    settings = {name: value for name, value in asdict(setup).items() if name not in EXCLUDED_SETTINGS}
    return {
        "model": loaded.folder.resolve().name,
        "model_sha256": model_sha256(loaded.folder),
        "seed": setup.seed,
        "settings": {name: value for name, value in settings.items() if name != "world"},
        "world": settings["world"],
        "lora_sha256": None if setup.lora is None else file_sha256(setup.lora),
        "device": loaded.device,
        "dtype": loaded.dtype,
        "memory": loaded.memory,
    }


def machine_info() -> dict[str, Any]:
    """The machine and the libraries, which hardly change the results."""
    from easyanimate.files.manifest import library_versions

    return {
        "libraries": library_versions(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }


def show_result(results: "list[TaskResult]") -> None:
    """Prints the tables."""
    from easyanimate.evaluation import METRIC_GROUPS, summarise_groups, table_lines

    for part, groups in summarise_groups(results).items():
        typer.echo(f"\n{METRIC_GROUPS[part].title}")
        for line in table_lines(part, groups):
            typer.echo(line)
    typer.echo("")
