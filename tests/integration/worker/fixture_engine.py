"""An engine without a model, for tests of the supervisor: the prompt of a run selects its behaviour."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from weakref import WeakSet

from easyanimate.errors import CheckpointError, Interrupted, NotFinite
from easyanimate.files.manifest import file_sha256
from jobs.model.input_files import DRAFT_STATE
from jobs.model.model_card import ModelCard
from jobs.model.result_files import IMAGES, segment_name
from jobs.model.states import Phase
from jobs.queue.vocabularies import Vocabulary
from worker.checkpoints.format import Checkpoint, NamedFile, attempts_in, read_checkpoint
from worker.engine.__main__ import start
from worker.load_options import Memory
from worker.models.memory_budget import MemoryBudget
from worker.protocol.control import RunControl
from worker.protocol.errors import BrokenVideo
from worker.protocol.messages import (
    CheckpointDamaged,
    Checkpointed,
    DeviceMemory,
    Done,
    Event,
    LoadModel,
    Preview,
    Progress,
    Resumed,
    Run,
    SegmentWritten,
    WindowDamaged,
    WindowFinished,
    WindowReused,
)
from worker.windows.format import WindowFiles, window_key

STEPS = 4
WAIT_S = 240  # for what a test does meanwhile
VOCABULARY = Vocabulary(pieces=(("<unk>", 0.0), ("▁a", -1.0)), unknown="<unk>", special=(), letters="a", limit=120)


class OutOfMemoryError(RuntimeError):
    """An error with the name that torch uses."""


def _raise(error: Exception) -> None:
    raise error


# Twelfths of a second in each step, by the prompt.
PACES = {"brief": 7, "windows": 5, "steady": 12, "many": 12, "slow": 100, "deaf": 100, "endless": 10**6}

# Failures in the middle of a run, by the prompt.
FAILURES: dict[str, Callable[[], object]] = {
    "raise": lambda: _raise(RuntimeError("/secret/path/model.py went wrong")),
    "memory": lambda: _raise(OutOfMemoryError("CUDA out of memory")),
    "device": lambda: _raise(RuntimeError("CUDA error: an illegal memory access was encountered")),
    "nan": lambda: _raise(NotFinite("latents are NaN")),
    "broken": lambda: _raise(BrokenVideo("/secret/path/video.mp4 holds 3 frames")),
    "disk": lambda: _raise(OSError(28, "No space left on device", "/secret/path")),
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(3600),
}


class FixtureGenerator:
    """Writes a file of some bytes in four steps."""

    def __init__(self, card: ModelCard, memory: Memory) -> None:
        self.card = card
        self.memory = memory
        self.vocabulary = VOCABULARY

    def make(self, run: Run, control: RunControl) -> Done:
        """Behaves as the prompt says: "brief" lasts two seconds, "slow" half a minute, "endless" many hours.

        "deaf" lasts as long and ignores a cancel. "once" exits in its first attempt. "tight" is out of memory in the
        normal profile, "jealous" is out of memory beside other models. "patient" waits for a pause in its second step,
        unless it resumes, and "steady" needs a second for each step besides; "many" is as "steady" and promises so many
        steps that no grace period is long enough. With "windows" each step writes a segment; with "windows once" the
        engine exits at the third step of the first attempt. With "film abcd" each step is a window, whose key and
        content depend on its letter. " until PATH" after a prompt holds its third step until this file exists.
        """
        prompt, send = run.request.prompt, control.send
        send(DeviceMemory(2**30, 2**32))
        promised = 10**9 if prompt == "many" else STEPS
        send(Progress(Phase.ENCODING, 0, promised))
        first = self._resume(run, send)
        reused: list[int] = []
        for step in range(first, STEPS):
            send(Progress(Phase.DENOISING, step, promised))
            self._fail(prompt, step, first)
            self._await_pause(control, prompt in ("patient", "steady", "many") and (step, first) == (1, 0))
            self._work(prompt, control.check)
            control.check()
            self._window(run, step, control, reused)
            self._segment(run, step, send)
            self._await_file(prompt, step, control.check)
            self._exit_once(run, step)
            if run.request.preview_every_steps:
                send(Preview(b"RIFF preview %d" % step, step, STEPS))
            self._keep(run, step + 1, send)
            if control.wants_pause():
                raise Interrupted("the run is paused")
        send(Progress(Phase.DENOISING, STEPS, STEPS))
        return self._finish(run, reused)

    def _fail(self, prompt: str, step: int, first: int) -> None:
        """Fails in this step if the prompt says so; `first` is the step at which the attempt began."""
        if step == 2:
            FAILURES.get(prompt, lambda: None)()
        if (step, prompt, first) == (2, "once", 0):
            os._exit(3)
        if (prompt == "tight" and self.memory == "normal") or (prompt == "jealous" and len(LOADED) > 1):
            raise OutOfMemoryError("CUDA out of memory")

    def _finish(self, run: Run, reused: list[int]) -> Done:
        """Writes the files of the result."""
        content = b"%d" % run.request.seed + b"".join(path.read_bytes() for path in run.inputs.values())
        run.output_path.write_bytes(content)
        run.output_path.with_name("manifest.json").write_text(f'{{"settings": {run.request.model_dump_json()}}}')
        for name in IMAGES:
            run.output_path.with_name(name).write_bytes(name.encode())
        self._keep_draft(run, content)
        frames = (8,) * STEPS if run.request.prompt.startswith("windows") else ()
        continued = True if DRAFT_STATE in run.inputs else None
        digest, phases = hashlib.sha256(content).hexdigest(), {"denoising": 0.1}
        counts = {"steps": STEPS - len(reused), "num_windows": STEPS}
        done = Done(digest, len(content), 1.0, phases, segment_frames=frames, draft_reused=continued, **counts)
        return replace(done, reused_windows=tuple(reused))

    def _window(self, run: Run, step: int, control: RunControl, reused: list[int]) -> None:
        """Reuses or makes the window of this step. One in capitals cannot be read again, and "!" fails."""
        if run.window_scope is None or not run.request.prompt.startswith("film "):
            return
        letter = run.request.prompt.removeprefix("film ")[step]
        if letter == "!":
            raise RuntimeError("the film fails")
        files = WindowFiles(run.windows_folder, window_key(run.window_scope, "", letter))
        is_fetched = control.find_window(files.key)
        if is_fetched and {path.read_text() for path in files.paths} == {letter} and letter.islower():
            control.send(WindowReused(files.key))
            reused.append(step)
            return
        if is_fetched:
            control.send(WindowDamaged(files.key, "it is damaged"))
        self._write_window(files, letter)
        control.send(WindowFinished(files.key, files.size_bytes))

    def _store_again(self, run: Run, step: int, send: Callable[[Event], None]) -> None:
        """Stores the window of an earlier attempt."""
        if run.window_scope is not None and run.request.prompt.startswith("film "):
            letter = run.request.prompt.removeprefix("film ")[step]
            files = WindowFiles(run.windows_folder, window_key(run.window_scope, "", letter))
            self._write_window(files, letter)
            send(WindowFinished(files.key, files.size_bytes, is_resumed=True))

    def _write_window(self, files: WindowFiles, letter: str) -> None:
        files.folder.mkdir(exist_ok=True)
        for path in files.paths:
            path.write_text(letter)

    def _await_pause(self, control: RunControl, is_patient: bool) -> None:
        deadline = time.monotonic() + (WAIT_S if is_patient else 0)
        while time.monotonic() < deadline and not control.wants_pause():
            control.check()
            time.sleep(0.02)

    def _resume(self, run: Run, send: Callable[[Event], None]) -> int:
        if run.checkpoints is None:
            return 0
        for folder in attempts_in(run.checkpoints.folder.parent):
            checkpoint = read_checkpoint(folder)
            try:
                checkpoint.state.path_in(folder.parent)
            except ValueError as error:
                send(CheckpointDamaged(folder.name, str(error)))
                continue
            step = checkpoint.step
            for before in range(step):
                self._segment(run, before, send)
                self._store_again(run, before, send)
            send(Resumed(step))
            return step
        return 0

    def _keep(self, run: Run, step: int, send: Callable[[Event], None]) -> None:
        if run.checkpoints is None:
            return
        folder = run.checkpoints.folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"state-{step}.safetensors"
        path.write_bytes(b"%d" % step)
        state = NamedFile(name=f"{folder.name}/{path.name}", sha256=file_sha256(path))
        Checkpoint(fingerprint="", step=step, state=state).write(folder)
        send(Checkpointed(step))

    def _keep_draft(self, run: Run, content: bytes) -> None:
        if run.request.draft_steps is not None:
            run.output_path.with_name(DRAFT_STATE).write_bytes(b"state of " + content)

    def _segment(self, run: Run, step: int, send: Callable[[Event], None]) -> None:
        if run.request.prompt.startswith("windows"):
            run.output_path.with_name(segment_name(step)).write_bytes(b"step %d" % step)
            send(SegmentWritten(step, 8))

    def _await_file(self, prompt: str, step: int, check: Callable[[], None]) -> None:
        _, _, path = prompt.partition(" until ")
        deadline = time.monotonic() + WAIT_S
        while path and step == 2 and not Path(path).exists() and time.monotonic() < deadline:
            check()
            time.sleep(0.02)

    def _exit_once(self, run: Run, step: int) -> None:
        attempt = run.checkpoints and run.checkpoints.folder.name
        if run.request.prompt.startswith("windows once") and (step, attempt) == (2, "0"):
            os._exit(3)

    def _work(self, prompt: str, check: Callable[[], None]) -> None:
        pace, _, _ = prompt.partition(" until ")
        for _ in range(PACES.get(pace, 0)):
            time.sleep(0.08)
            if prompt != "deaf":
                check()


LOADED: "WeakSet[FixtureGenerator]" = WeakSet()


class FixtureLoader:
    """Files in the model folder select the behaviour: `weights` the size in bytes, `crash` an exit of the engine,
    `damaged` the reason of a failure, `slow` the seconds of a load.
    """

    def room_bytes(self, command: LoadModel) -> int:
        """The bytes that models may use: those of the command, or a terabyte."""
        return command.room_bytes or 10**12

    def estimate(self, command: LoadModel) -> MemoryBudget:
        """Raises CheckpointError without a folder."""
        if not command.folder.is_dir():
            raise CheckpointError(f"there is no folder {command.folder}")
        weights = command.folder / "weights"
        return MemoryBudget(int(weights.read_text()) if weights.exists() else 1)

    def load(self, command: LoadModel) -> tuple[FixtureGenerator, MemoryBudget]:
        """Behaves as the files in the folder say."""
        if (command.folder / "crash").exists():
            os._exit(9)
        if (command.folder / "slow").exists():
            time.sleep(float((command.folder / "slow").read_text()))
        if (command.folder / "damaged").exists():
            raise CheckpointError((command.folder / "damaged").read_text())
        card = ModelCard.model_validate_json((command.folder / "card.json").read_bytes())
        generator = FixtureGenerator(card, "normal" if command.memory == "auto" else command.memory)
        LOADED.add(generator)
        return generator, self.estimate(command)

    def free(self) -> None:
        """Does nothing: no memory is in use."""


if __name__ == "__main__":
    start(FixtureLoader)
