"""Trainings from the command line, as separate processes or in this one, and processes that wait at a step.

Most processes are forked from a server that has imported torch, which takes Python many seconds. They are processes of
their own: they receive signals, have limits, and end with an exit code.
"""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess

from accelerate.state import AcceleratorState

from cli.stack.ports import free_port
from easyanimate.training.run import command

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["easyanimate.training.run.single_process", "easyanimate.pipeline"])
VAE = """
[run]
output = "{output}"
steps = {steps}
checkpoint_every = 5
log_every = 1
device = "cpu"

[optimiser]
kind = "muon"
muon_learning_rate = 3e-3
learning_rate = 2e-3
warmup_steps = 5

[ema]
decay = 0.9

[vae]
ch = 8
ch_mult = [1, 1, 1, 2]
layers_per_block = 1
norm_num_groups = 1

[loss]
l2 = 2.0

[data]
masked = 0.1

[[data.batches]]
frames = 8
crop = 32
batch_size = 1

[[data.batches]]
frames = 1
height = 32
width = 32
batch_size = 2
"""
STEPS = 12
WAIT_STEP = 7  # two steps after the checkpoint of step 5
# The training waits in the hook until it is stopped or killed.
WAITING = f"""
import time
from easyanimate.training.run import loop

after_step = loop.Training._after_step

def wait_at_step(training, log, values):
    after_step(training, log, values)
    if training.step == {WAIT_STEP}:
        (training.run.output / "waiting").touch()
        while not training._is_stopping:
            time.sleep(0.02)

loop.Training._after_step = wait_at_step
"""


def arguments(folder: Path, *more: str, steps: int = STEPS, text: str = VAE) -> list[str]:
    """The arguments of a VAE training into `folder`/run; `folder` is created."""
    folder.mkdir(exist_ok=True)
    file = folder / "train.toml"
    file.write_text(text.format(output=folder / "run", steps=steps))
    return ["vae", str(file), *more]


def run_process(training: list[str]) -> CompletedProcess[str]:
    """A training in a process that Python starts."""
    line = [sys.executable, "-m", "easyanimate.training", *training]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(line, capture_output=True, text=True, timeout=500, check=False, env=environment)


def run_here(training: list[str]) -> CompletedProcess[str]:
    """The same command in this process."""
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has one state, with one precision
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = command.main(training)
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
    return CompletedProcess(training, code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Changes:
    """Differences of a forked process: variables, the size in bytes that no file may exceed, and a wait at step 7."""

    environment: dict[str, str] = field(default_factory=dict)
    max_file_size: int | None = None
    waits: bool = False


class ForkedTraining:
    """A running training in a process of its own; its output goes to files in `folder`."""

    def __init__(self, training: list[str], folder: Path, changes: Changes, name: str = "process") -> None:
        self.training = training
        self.files = (folder / f"{name}.out", folder / f"{name}.err")
        self.process: BaseProcess = _FORKS.Process(target=_train, args=(training, self.files, changes))
        self.process.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal to the training, as `Popen.send_signal` does."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def wait(self) -> CompletedProcess[str]:
        """Waits for the end; returns the exit code and the output."""
        self.process.join(400)
        assert self.process.exitcode is not None
        out, err = (file.read_text() for file in self.files)
        return CompletedProcess(self.training, self.process.exitcode, out, err)


def _train(training: list[str], files: tuple[Path, Path], changes: Changes) -> None:
    for number, file in zip((1, 2), files, strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ.update(changes.environment)
    if changes.max_file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (changes.max_file_size, changes.max_file_size))
    if changes.waits:
        exec(WAITING, {})
    sys.exit(command.main(training))


def run_forked(training: list[str], folder: Path, max_file_size: int | None = None) -> CompletedProcess[str]:
    """A training in a forked process, with its output in `folder`."""
    return ForkedTraining(training, folder, Changes(max_file_size=max_file_size)).wait()


def run_two_forked(
    training: list[str], folder: Path, max_file_size: int | None = None
) -> tuple[CompletedProcess[str], CompletedProcess[str]]:
    """One training in two processes, with the variables that torch's launcher sets."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    processes = []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        changes = Changes(address | place, max_file_size)
        processes.append(ForkedTraining(training, folder, changes, f"rank-{rank}"))
    first, second = (process.wait() for process in processes)
    return first, second


def start_waiting(training: list[str], folder: Path) -> ForkedTraining:
    """A process that trains into `folder`/run and has reached step 7, where it waits for a signal.

    It may launch other processes: Python imports a module with the name of that file when it starts.
    """
    (folder / "sitecustomize.py").write_text(WAITING)
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(folder), os.getcwd()])}
    training_process = ForkedTraining(training, folder, Changes(environment, waits=True))
    while not (folder / "run" / "waiting").exists():
        assert training_process.process.is_alive()
        time.sleep(0.02)
    return training_process
