"""`easyanimate train vae|transformer|lora FILE`: trains from a settings file; `train tiny` trains the small model."""

import json
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer

from cli.errors import exit_on_error
from cli.options import AsJson
from cli.settings import child_environment

app = typer.Typer(help="Train a VAE, a transformer or a LoRA.", no_args_is_help=True)

Processes = Annotated[int, typer.Option(min=1, help="Number of processes: one per GPU, or one per core without a GPU.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override a setting.")]
File = Annotated[Path, typer.Argument(help="A .toml or .yaml settings file; see docs/guides/training.md.")]


class TrainingKind(StrEnum):
    """The kinds of training."""

    VAE = "vae"
    TRANSFORMER = "transformer"
    LORA = "lora"


@app.command()
def vae(file: File, processes: Processes = 1, changes: Changes = None, as_json: AsJson = False) -> None:
    """Train a Slice VAE. The same command resumes a stopped training."""
    raise typer.Exit(run_training(TrainingKind.VAE, file, processes, changes or [], as_json=as_json))


@app.command()
def transformer(file: File, processes: Processes = 1, changes: Changes = None, as_json: AsJson = False) -> None:
    """Train a transformer. The same command resumes a stopped training."""
    raise typer.Exit(run_training(TrainingKind.TRANSFORMER, file, processes, changes or [], as_json=as_json))


@app.command()
def lora(file: File, processes: Processes = 1, changes: Changes = None, as_json: AsJson = False) -> None:
    """Train a LoRA. The same command resumes a stopped training."""
    raise typer.Exit(run_training(TrainingKind.LORA, file, processes, changes or [], as_json=as_json))


@app.command()
def tiny(
    output: Annotated[Path, typer.Option(help="The folder for all stages and the finished model.")] = Path("runs/tiny"),
    processes: Processes = 2,
    as_json: AsJson = False,
) -> None:
    """Train the small model in all stages, for some hours on two cores. The same command resumes a stopped training."""
    from easyanimate.errors import EasyAnimateError
    from easyanimate.tiny.stages import finish, prepare_stage, read_stages

    with exit_on_error("train tiny", EasyAnimateError, code=2):
        for stage in read_stages():
            if stage.is_done(output):
                continue
            typer.echo(f"{stage.name} …", err=True)
            kind, file = TrainingKind(stage.kind), prepare_stage(stage, output)
            code = run_training(kind, file, processes, [], stdout=sys.stderr)
            if code:
                raise typer.Exit(code)
        folder = finish(output)
    typer.echo(json.dumps({"kind": "tiny", "folder": str(folder)}, indent=2) if as_json else folder)


def run_training(
    kind: TrainingKind,
    file: Path,
    processes: int,
    changes: list[str],
    *,
    as_json: bool = False,
    stdout: IO[str] | None = None,
) -> int:
    """Runs the training in child processes; returns its exit code. They receive Ctrl-C, and save before they end.

    They print the folder of the result to `stdout`, or to that of this process.
    """
    arguments = [str(kind), str(file), *(part for change in changes for part in ("--set", change))]
    arguments += ["--json"] if as_json else []
    command = [sys.executable, "-m", "easyanimate.training", "--processes", str(processes), *arguments]
    # One thread per process: in small networks several threads wait for each other more than they compute.
    environment = child_environment({"OMP_NUM_THREADS": "1"} if processes > 1 else {})
    with subprocess.Popen(command, env=environment, stdout=stdout) as training:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda signum, _: training.send_signal(signum))
        return training.wait()
