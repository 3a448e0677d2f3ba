"""`easyanimate models rehearse`: tests all steps with a model of the published size and random weights.

Each phase runs the command or the service that a user runs. Files are deleted after the last phase that needs them.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from cli.client.client import Client
from cli.client.request_body import RequestBody
from cli.errors import CommandError, exit_on_error
from cli.options import AsJson
from cli.progress import follow_with_bar, phase_table
from cli.settings import ClientSettings, child_environment
from cli.stack.ports import free_port
from cli.stack.stack import ISOLATED, LocalStack, StackPlan
from easyanimate.errors import EasyAnimateError

if TYPE_CHECKING:
    from easyanimate.rehearsal.report import Report
    from easyanimate.rehearsal.settings import ModelSize

OWNER = "alibaba-pai"
SIDE, STEPS, SEED = 256, 2, 7
PROMPT = "a red ball rolls across a meadow"
TOLERANCE = 0.2  # between live and estimated bytes


class RehearsalFailed(CommandError):
    """A phase failed; the message names it."""


@dataclass(frozen=True)
class Requirements:
    """Disk, memory and time of a rehearsal, in bytes and minutes."""

    disk_bytes: int
    memory_bytes: int
    minutes: int


REQUIREMENTS = {"published": Requirements(45 * 10**9, 20 * 10**9, 60), "small": Requirements(200 * 10**6, 2 * 10**9, 2)}


def rehearse(
    output: Annotated[Path, typer.Option(help="The folder for model, report, logs and videos.")] = Path("rehearsal"),
    size: Annotated[str, typer.Option(help="published, or small for a short test of the rehearsal.")] = "published",
    yes: Annotated[bool, typer.Option("--yes", help="Start without a confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rehearse all steps with a model of the published size and random weights. Exit code 1 if there are problems."""
    with exit_on_error("models rehearse", EasyAnimateError, OSError, code=2):
        if size not in REQUIREMENTS:
            raise RehearsalFailed(f"--size is one of {', '.join(REQUIREMENTS)}, got {size!r}")
        check_machine(output, REQUIREMENTS[size])
        if not yes:
            typer.confirm("start?", default=True, abort=True, err=True)
        report = run_rehearsal(output, size)
    if as_json:
        typer.echo((output / "report.json").read_text(encoding="utf-8"), nl=False)
    else:
        typer.echo(f"\n{report.markdown()}")
        typer.echo(f"{output / 'report.md'}: these tables")
    if report.problems:
        raise typer.Exit(1)


def check_machine(output: Path, required: Requirements) -> None:
    """Prints the requirements; RehearsalFailed if the disk or the memory is too small."""
    output.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(output).free
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    memory = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    typer.echo(
        f"needed: {required.disk_bytes / 1e9:.1f} GB of disk ({disk / 1e9:.1f} GB are free), "
        f"{required.memory_bytes / 1e9:.0f} GB of memory ({memory / 1e9:.1f} GB are available), "
        f"about {required.minutes} minutes on 2 CPU cores",
        err=True,
    )
    if disk < required.disk_bytes:
        raise RehearsalFailed(f"the disk under {output} is too small; choose another folder with --output")
    if memory < required.memory_bytes:
        raise RehearsalFailed("the memory is too small; end other programs, or use a larger machine")


def run_rehearsal(output: Path, size_name: str) -> "Report":
    """Runs all phases and writes the report. Models are deleted at the end."""
    from easyanimate.rehearsal.report import Report
    from easyanimate.rehearsal.settings import SIZES

    size = SIZES[size_name]
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, bfloat16"
    report = Report(size_name, machine)
    published, models_dir = output / "published", output / "models"
    _clear(published, models_dir, output / "data")
    try:
        write_published_model(report, published / size.name)
        hashes = import_from_pipe(report, size, published / size.name, models_dir)
        pull_from_hub(report, size, published / size.name, models_dir, hashes)
        _clear(published)
        run_activations(report, models_dir / size.name)
        for memory in ("normal", "low", "lowest"):
            render_videos(report, size, output, memory)
    finally:
        _clear(published, models_dir, output / "data")
        report.write(output)
    return report


def _clear(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _phase(report: "Report", name: str) -> Iterator[list[str]]:
    """Measures the time of a phase; the block appends descriptions of its results."""
    from easyanimate.rehearsal.report import RehearsalPhase

    typer.echo(f"-- {name}", err=True)
    results: list[str] = []
    started = time.monotonic()
    yield results
    report.phases.append(RehearsalPhase(name, time.monotonic() - started, "; ".join(results)))
    typer.echo(f"   {report.phases[-1].seconds:.0f} s; {report.phases[-1].result}", err=True)


def write_published_model(report: "Report", folder: Path) -> None:
    """Writes a model in the published layout, in a child process."""
    from easyanimate.models.local_models import folder_bytes

    with _phase(report, "write the published layout") as results:
        folder.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-u", "-m", "easyanimate.rehearsal.writing", str(folder), report.size]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout or ():
                typer.echo(f"   {line.rstrip()}", err=True)
        if child.returncode:
            raise RehearsalFailed(f"the model could not be written: the process ended with {child.returncode}")
        results.append(f"{folder_bytes(folder) / 1e9:.2f} GB")


def import_from_pipe(report: "Report", size: "ModelSize", folder: Path, models_dir: Path) -> dict[str, str]:
    """Imports the model from a tar in a pipe, and deletes it; returns the SHA-256 of each file by path."""
    from easyanimate.models.transfer.source import read_source

    with _phase(report, "import from a tar in a pipe") as results:
        tar = subprocess.Popen(["tar", "-C", str(folder.parent), "-cf", "-", folder.name], stdout=subprocess.PIPE)
        try:
            _command("models", "import", "-", "--models-dir", str(models_dir), stdin=tar.stdout)
        finally:
            if tar.stdout is not None:
                tar.stdout.close()
            tar.wait()
        files = read_source(models_dir / size.name)
        _compare(folder, {name: file.size_bytes for name, file in files.items()})
        results.append(f"{len(files)} files; it loads")
        _clear(models_dir / size.name)
    return {name: file.sha256 for name, file in files.items()}


def _compare(folder: Path, sizes: dict[str, int]) -> None:
    written = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if written != sizes:
        different = sorted(name for name in written.keys() | sizes.keys() if written.get(name) != sizes.get(name))
        raise RehearsalFailed(f"the import has other files than the archive: {', '.join(different[:5])}")


def pull_from_hub(report: "Report", size: "ModelSize", folder: Path, models_dir: Path, hashes: dict[str, str]) -> None:
    """Pulls the model from a local hub that serves hard links to the same files."""
    from easyanimate.rehearsal.hub import HubRepository, serve_repository

    with _phase(report, "pull from a hub on this machine") as results:
        served = folder.parent / "hub"
        shutil.copytree(folder, served, copy_function=os.link)
        with serve_repository(HubRepository(f"{OWNER}/{size.name}", served, hashes)) as url:
            _command("models", "pull", size.name, "--models-dir", str(models_dir), HF_ENDPOINT=url, HF_HUB_OFFLINE="0")
        results.append("it loads")


def _command(*arguments: str, stdin: IO[bytes] | None = None, **environment: str) -> None:
    """Runs a command of this program, whose output goes to stderr; RehearsalFailed if its exit code is not 0."""
    command, variables = [sys.executable, "-m", "cli", *arguments], child_environment(environment)
    done = subprocess.run(command, stdin=stdin, stdout=sys.stderr, env=variables, check=False)
    if done.returncode:
        raise RehearsalFailed(f"`easyanimate {' '.join(arguments)}` ended with {done.returncode}")


def run_activations(report: "Report", folder: Path) -> None:
    """Renders a clip in a child process, and compares the activations with the estimates."""
    from easyanimate.rehearsal.report import ActivationRow

    with _phase(report, "measure the activations of a clip") as results:
        command = [sys.executable, "-m", "easyanimate.rehearsal.activations", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RehearsalFailed(f"the activations could not be measured: {done.stderr.strip()[-2000:]}")
        report.activations += [ActivationRow(**row) for row in json.loads(done.stdout.splitlines()[-1])["rows"]]
        results.append("in float32, halved; the estimates are for the published size")
    for row in report.activations:
        if report.size == "published" and abs(row.ratio - 1) > TOLERANCE:
            report.problems.append(f"the estimate for {row.phase} is {row.ratio:.2f} of what was measured")


def render_videos(report: "Report", size: "ModelSize", output: Path, memory: str) -> None:
    """Renders an image, and in "normal" also a clip, with the service in the memory profile `memory`."""
    environment = {
        **ISOLATED,
        "EASYANIMATE_DTYPE": "bfloat16",
        "EASYANIMATE_DEVICE": "cpu",
        "EASYANIMATE_MEMORY": memory,
    }
    plan = StackPlan(
        data_dir=output / "data",
        models_dir=output / "models",
        model=size.name,
        port=free_port(),
        logs=output / "logs",
        environment=environment,
    )
    stack = LocalStack(plan)
    try:
        with _phase(report, f"service ready, profile {memory}") as results:
            stack.start()
            results.append(f"engine: {_resident(stack)}")
        for name, num_frames in (("image", 1), ("clip", 8)) if memory == "normal" else (("image", 1),):
            with _phase(report, f"{name}, profile {memory}") as results:
                results.append(
                    _render(stack, num_frames, output / f"{name}-{memory}.{'png' if num_frames == 1 else 'mp4'}")
                )
                results.append(f"engine: {_resident(stack)}")
    finally:
        stack.stop()


def _render(stack: LocalStack, num_frames: int, path: Path) -> str:
    """Creates a video, downloads it and checks its size; returns the seconds of its phases."""
    from easyanimate.files.video_file import probe

    fields = {"prompt": PROMPT, "size": f"{SIDE}x{SIDE}", "num_frames": num_frames, "seed": SEED}
    with Client(ClientSettings(url=stack.url)) as client:
        video_id = client.create(RequestBody({**fields, "num_inference_steps": STEPS}))["id"]
        record = follow_with_bar(client, video_id, path.stem.ljust(16))
        client.download(video_id, path)
    info = probe(path)
    if (info.width, info.height, info.num_frames) != (SIDE, SIDE, num_frames):
        raise RehearsalFailed(f"{path} is {info.width}x{info.height} with {info.num_frames} frames")
    return phase_table(record)


def _resident(stack: LocalStack) -> str:
    """The resident memory of the engine, now and at its peak."""
    worker = stack.children["worker"].process
    engines = [] if worker is None else [pid for pid in _descendants(worker.pid) if _is_engine(pid)]
    status = "\n".join(Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in engines[:1])
    values = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Vm"))
    now, peak = (int(values.get(name, "0 kB").split()[0]) * 1024 / 1e9 for name in ("VmRSS", "VmHWM"))
    return f"{now:.1f} GB resident, {peak:.1f} GB at the peak"


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            yield int(child)
            yield from _descendants(int(child))


def _is_engine(pid: int) -> bool:
    return b"worker.engine" in Path(f"/proc/{pid}/cmdline").read_bytes()
