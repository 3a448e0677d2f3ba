"""`easyanimate train vae|transformer|lora FILE`: train from a file of settings; `train tiny` makes the small model."""

import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.settings import child_environment

app = typer.Typer(help="Train a VAE, a transformer or a LoRA.", no_args_is_help=True)

Processes = Annotated[int, typer.Option(min=1, help="So many on this machine: one a GPU, or one a core without any.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another value for a setting.")]
File = Annotated[Path, typer.Argument(help="A .toml or .yaml file of settings; see docs/training.md.")]


class TrainingKind(StrEnum):
    """What can be trained."""

    VAE = "vae"
    TRANSFORMER = "transformer"
    LORA = "lora"


@app.command()
def vae(file: File, processes: Processes = 1, changes: Changes = None) -> None:
    """Train a Slice VAE. The same command goes on where it was stopped."""
    raise typer.Exit(run_training(TrainingKind.VAE, file, processes, changes or []))


@app.command()
def transformer(file: File, processes: Processes = 1, changes: Changes = None) -> None:
    """Train a transformer. The same command goes on where it was stopped."""
    raise typer.Exit(run_training(TrainingKind.TRANSFORMER, file, processes, changes or []))


@app.command()
def lora(file: File, processes: Processes = 1, changes: Changes = None) -> None:
    """Train a LoRA. The same command goes on where it was stopped."""
    raise typer.Exit(run_training(TrainingKind.LORA, file, processes, changes or []))


@app.command()
def tiny(
    output: Annotated[Path, typer.Option(help="The folder for all stages and the finished model.")] = Path("runs/tiny"),
    processes: Processes = 2,
) -> None:
    """Train the small model from nothing, all stages; some hours on two cores. Goes on where it was stopped."""
    from easyanimate.errors import EasyAnimateError
    from easyanimate.tiny.stages import finish, prepare_stage, read_stages

    try:
        for stage in read_stages():
            if stage.is_done(output):
                continue
            typer.echo(f"{stage.name} …")
            code = run_training(TrainingKind(stage.kind), prepare_stage(stage, output), processes, [])
            if code:
                raise typer.Exit(code)
        typer.echo(finish(output))
    except EasyAnimateError as error:
        typer.echo(f"easyanimate train tiny: {error}", err=True)
        raise typer.Exit(2) from error


def run_training(kind: TrainingKind, file: Path, processes: int, changes: list[str]) -> int:
    """The training in processes of its own; its exit code. Ctrl-C reaches them, and they save before they end."""
    told = [str(kind), str(file), *(part for change in changes for part in ("--set", change))]
    command = [sys.executable, "-m", "easyanimate.training", "--processes", str(processes), *told]
    # Small networks: one thread a process. Several threads would wait for each other more than they compute.
    environment = child_environment({"OMP_NUM_THREADS": "1"} if processes > 1 else {})
    with subprocess.Popen(command, env=environment) as training:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda signum, _: training.send_signal(signum))
        return training.wait()
