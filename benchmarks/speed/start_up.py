"""CPU seconds of `easyanimate generate` until the first step, without those of `import torch` in the same process."""

import subprocess
import sys
import tempfile
from statistics import median

from benchmarks.speed.goal import Goal, at_most

GOAL = 2.5
# Ends the process at the first call of the transformer, after a line with the CPU seconds until then.
PROGRAM = """
import os, sys, time
import torch
started = time.process_time()

def stop(module, arguments):
    if type(module).__name__ == "EasyAnimateTransformer3DModel":
        print(time.process_time() - started, flush=True)
        os._exit(0)

torch.nn.modules.module.register_module_forward_pre_hook(stop)
sys.argv = ["easyanimate", "generate", "a red ball", "--output", sys.argv[1]]
from cli.main import app
app()
"""


def until_first_step() -> float:
    """The CPU seconds of one process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, f"{folder}/out.mp4"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(run.stdout.splitlines()[-1])


def measure(rounds: int) -> list[Goal]:
    """The median of `rounds` processes, after one that reads all files."""
    until_first_step()
    seconds = [until_first_step() for _ in range(rounds)]
    what = "CPU seconds of `easyanimate generate` to the first step, beyond `import torch`, small model"
    return [at_most(what, median(seconds), GOAL, " s", f"{min(seconds):.1f} to {max(seconds):.1f} s")]
