"""`easyanimate models rehearse`: a model of the published size with random weights, from the file to the frames.

Each phase uses the command or the service that a user runs. What a phase no longer needs is deleted after it.
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

from cli.client import Client, ClientError
from cli.progress import follow_with_bar, phase_table
from cli.settings import ClientSettings, child_environment
from cli.stack.ports import free_port
from cli.stack.stack import LocalStack, StackFailed, StackPlan
from easyanimate.errors import EasyAnimateError

if TYPE_CHECKING:
    from easyanimate.rehearsal.report import Report
    from easyanimate.rehearsal.settings import ModelSize

OWNER = "alibaba-pai"
SIDE, STEPS, SEED = 256, 2, 7
PROMPT = "a red ball rolls across a meadow"
TOLERANCE = 0.2  # between live and estimated bytes
CPUS_MINUTES = 60
ALONE = {"EASYANIMATE_STORAGE": "local", "EASYANIMATE_API_KEYS": "", "EASYANIMATE_AUTH": "off"}


class RehearsalFailed(Exception):
    """A phase did not do what it should; the message says which."""


@dataclass(frozen=True)
class Needs:
    """What a rehearsal of one size needs, in bytes and minutes."""

    disk_bytes: int
    memory_bytes: int
    minutes: int


NEEDS = {"published": Needs(45 * 10**9, 20 * 10**9, CPUS_MINUTES), "small": Needs(200 * 10**6, 2 * 10**9, 2)}


def rehearse(
    output: Annotated[Path, typer.Option(help="The folder for the model, the report, the logs and the videos.")] = Path(
        "rehearsal"
    ),
    size: Annotated[str, typer.Option(help="published, or small to try the rehearsal itself.")] = "published",
    yes: Annotated[bool, typer.Option("--yes", help="Begin without a question.")] = False,
) -> None:
    """Rehearse everything with a model of the published size and random weights. Ends with 1 if anything is wrong."""
    if size not in NEEDS:
        typer.echo(f"easyanimate models rehearse: --size is one of {', '.join(NEEDS)}, got {size!r}", err=True)
        raise typer.Exit(2)
    try:
        check_machine(output, NEEDS[size])
        if not yes:
            typer.confirm("begin?", default=True, abort=True)
        report = run_rehearsal(output, size)
    except (RehearsalFailed, EasyAnimateError, ClientError, StackFailed, OSError) as problem:
        typer.echo(f"easyanimate models rehearse: {problem}", err=True)
        raise typer.Exit(2) from problem
    typer.echo(f"\n{report.markdown()}")
    typer.echo(f"{output / 'report.md'}: these tables")
    if report.problems:
        raise typer.Exit(1)


def check_machine(output: Path, needs: Needs) -> None:
    """Say what is needed; RehearsalFailed if the disk or the memory is too small."""
    output.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(output).free
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    memory = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    typer.echo(
        f"needed: {needs.disk_bytes / 1e9:.1f} GB of disk ({disk / 1e9:.1f} GB are free), "
        f"{needs.memory_bytes / 1e9:.0f} GB of memory ({memory / 1e9:.1f} GB are available), "
        f"about {needs.minutes} minutes on 2 CPU cores"
    )
    if disk < needs.disk_bytes:
        raise RehearsalFailed(f"the disk under {output} is too small; choose another folder with --output")
    if memory < needs.memory_bytes:
        raise RehearsalFailed("the memory is too small; end other programs, or take a larger machine")


def run_rehearsal(output: Path, size_name: str) -> "Report":
    """All phases, one after the other; the report is written after each. Models are deleted at the end."""
    from easyanimate.rehearsal.report import Report
    from easyanimate.rehearsal.settings import SIZES

    size = SIZES[size_name]
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, bfloat16"
    report = Report(size_name, machine)
    published, shelf = output / "published", output / "models"
    _clear(published, shelf, output / "data")
    try:
        write(report, published / size.name)
        hashes = import_from_pipe(report, size, published / size.name, shelf)
        pull_from_hub(report, size, published / size.name, shelf, hashes)
        _clear(published)
        measure_activations(report, shelf / size.name)
        for memory in ("normal", "low", "lowest"):
            make_videos(report, size, output, memory)
    finally:
        _clear(published, shelf, output / "data")
        report.write(output)
    return report


def _clear(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _phase(report: "Report", name: str) -> Iterator[list[str]]:
    """Times a phase; the block appends its results in words."""
    from easyanimate.rehearsal.report import RehearsalPhase

    typer.echo(f"-- {name}", err=True)
    results: list[str] = []
    started = time.monotonic()
    yield results
    report.phases.append(RehearsalPhase(name, time.monotonic() - started, "; ".join(results)))
    typer.echo(f"   {report.phases[-1].seconds:.0f} s; {report.phases[-1].result}", err=True)


def write(report: "Report", folder: Path) -> None:
    """The published folder, with newer settings."""
    from easyanimate.models.inspection import folder_bytes

    with _phase(report, "write the published layout") as results:
        folder.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-u", "-m", "easyanimate.rehearsal.writing", str(folder), report.size]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout or ():
                typer.echo(f"   {line.rstrip()}", err=True)
        if child.returncode:
            raise RehearsalFailed(f"the model could not be written: the process ended with {child.returncode}")
        results.append(f"{folder_bytes(folder) / 1e9:.2f} GB")


def import_from_pipe(report: "Report", size: "ModelSize", folder: Path, shelf: Path) -> dict[str, str]:
    """Import the model from a tar that goes through a pipe; the SHA-256 of each file by path. Then delete it."""
    from easyanimate.models.transfer.source import read_source

    with _phase(report, "import from a tar in a pipe") as results:
        tar = subprocess.Popen(["tar", "-C", str(folder.parent), "-cf", "-", folder.name], stdout=subprocess.PIPE)
        try:
            _command("models", "import", "-", "--models-dir", str(shelf), stdin=tar.stdout)
        finally:
            if tar.stdout is not None:
                tar.stdout.close()
            tar.wait()
        files = read_source(shelf / size.name)
        _compare(folder, {name: file.size_bytes for name, file in files.items()})
        results.append(f"{len(files)} files; it loads")
        _clear(shelf / size.name)
    return {name: file.sha256 for name, file in files.items()}


def _compare(folder: Path, sizes: dict[str, int]) -> None:
    written = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if written != sizes:
        odd = sorted(name for name in written.keys() | sizes.keys() if written.get(name) != sizes.get(name))
        raise RehearsalFailed(f"the import has other files than the archive: {', '.join(odd[:5])}")


def pull_from_hub(report: "Report", size: "ModelSize", folder: Path, shelf: Path, hashes: dict[str, str]) -> None:
    """Pull the model from a stand-in for the hub that serves hard links to the same files."""
    from easyanimate.rehearsal.hub import HubRepository, serve_repository

    with _phase(report, "pull from a hub on this machine") as results:
        served = folder.parent / "hub"
        shutil.copytree(folder, served, copy_function=os.link)
        with serve_repository(HubRepository(f"{OWNER}/{size.name}", served, hashes)) as url:
            _command("models", "pull", size.name, "--models-dir", str(shelf), HF_ENDPOINT=url, HF_HUB_OFFLINE="0")
        results.append("it loads")


def _command(*arguments: str, stdin: IO[bytes] | None = None, **environment: str) -> None:
    """Run a command of this program; RehearsalFailed if it does not end with 0."""
    command = [sys.executable, "-m", "cli", *arguments]
    done = subprocess.run(command, stdin=stdin, env=child_environment(environment), check=False)
    if done.returncode:
        raise RehearsalFailed(f"`easyanimate {' '.join(arguments)}` ended with {done.returncode}")


def measure_activations(report: "Report", folder: Path) -> None:
    """Make a clip in a process of its own, and compare the activations with the estimates."""
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


def make_videos(report: "Report", size: "ModelSize", output: Path, memory: str) -> None:
    """A picture, and in "normal" a clip too, through the running service in the memory profile `memory`."""
    environment = {**ALONE, "EASYANIMATE_DTYPE": "bfloat16", "EASYANIMATE_DEVICE": "cpu", "EASYANIMATE_MEMORY": memory}
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
        for name, num_frames in (("picture", 1), ("clip", 8)) if memory == "normal" else (("picture", 1),):
            with _phase(report, f"{name}, profile {memory}") as results:
                results.append(_make(stack, num_frames, output / f"{name}-{memory}.mp4"))
                results.append(f"engine: {_resident(stack)}")
    finally:
        stack.stop()


def _make(stack: LocalStack, num_frames: int, path: Path) -> str:
    """Order a video, wait for it, save and count it; how long its phases took."""
    from easyanimate.files.video_file import probe

    wanted = {"prompt": PROMPT, "size": f"{SIDE}x{SIDE}", "num_frames": num_frames, "seed": SEED}
    with Client(ClientSettings(url=stack.url)) as client:
        video_id = client.create({**wanted, "num_inference_steps": STEPS})["id"]
        record = follow_with_bar(client, video_id, path.stem.ljust(16))
        client.download(video_id, path)
    found = probe(path)
    if (found.width, found.height, found.num_frames) != (SIDE, SIDE, num_frames):
        raise RehearsalFailed(f"{path} is {found.width}x{found.height} with {found.num_frames} frames")
    return phase_table(record)


def _resident(stack: LocalStack) -> str:
    """Resident memory of the engine, now and at its peak."""
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
    return b"worker.engine.__main__" in Path(f"/proc/{pid}/cmdline").read_bytes()
