"""Trainings from the command line, as separate processes or in this one, and processes that wait at a step."""

import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

from accelerate.state import AcceleratorState

from easyanimate.training.run import command

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
# Python imports a module of this name when it starts. The training waits in the hook until it is stopped or killed.
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


def process_command(training: list[str]) -> list[str]:
    """The command line of a process with the arguments `training`."""
    return [sys.executable, "-m", "easyanimate.training", *training]


def run_process(training: list[str], *before: str) -> CompletedProcess[str]:
    """A training in a process of its own; `before` is a program that starts it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [*before, *process_command(training)]
    return subprocess.run(line, capture_output=True, text=True, timeout=280, check=False, env=environment)


def run_here(training: list[str]) -> CompletedProcess[str]:
    """The same command in this process, which saves the seconds in which Python imports torch."""
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has one state, with one precision
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = command.main(training)
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
    return CompletedProcess(training, code, out.getvalue(), err.getvalue())


def start_waiting(training: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """A process that trains into `folder`/run and has reached step 7, where it waits for a signal."""
    (folder / "sitecustomize.py").write_text(WAITING)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(folder), os.getcwd()])}
    process = subprocess.Popen(process_command(training), env=environment, stderr=subprocess.PIPE)
    while not (folder / "run" / "waiting").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process
