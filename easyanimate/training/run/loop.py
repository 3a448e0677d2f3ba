"""The training loop: steps, accumulation, several processes, checkpoints, samples, on accelerate."""

import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from easyanimate.training.errors import TrainingError
from easyanimate.training.optimization.digests import Facts, difference, facts_of
from easyanimate.training.optimization.optimizer import clip_gradients, make_optimizers, rate_at
from easyanimate.training.optimization.randomness import seed_torch
from easyanimate.training.run import checkpoints
from easyanimate.training.run.configuration import RunSettings, TaskSettings
from easyanimate.training.run.export import whole_folder, writing
from easyanimate.training.run.logs import TrainingLog
from easyanimate.training.run.processes import ProcessGroup
from easyanimate.training.tasks.task import TaskContext, TrainingTask

PATIENCE = timedelta(hours=6)  # of processes for the first one, which saves and draws samples alone


class Training:
    """One training run. The same settings and seed give the same losses on the CPU, interrupted or not."""

    def __init__(self, task: TrainingTask, settings: TaskSettings, slow: Mapping[str, float] | None = None) -> None:
        """`slow` has the share of the learning rate that parameters get whose name holds a word."""
        self.task, self.told = task, settings
        self.run, self.settings = settings.run, settings.optimiser
        self.accelerator = make_accelerator(self.run)
        self.together = ProcessGroup(self.accelerator)
        self.trainable = [(n, p) for n, p in task.network.named_parameters() if p.requires_grad]
        if not self.trainable:
            raise TrainingError("nothing would be trained: no parameter's name holds one of the given words")
        self.optimisers = make_optimizers(self.trainable, self.settings, slow)
        self.network = self.accelerator.prepare(task.network)
        learn(task.network)
        self.ema = self._average()
        self.step = 0
        self._stops = False

    def _average(self) -> EMAModel | None:
        if self.told.ema is None:
            return None
        average = EMAModel([p for _, p in self.trainable], decay=self.told.ema.decay, foreach=True)
        average.to(self.accelerator.device)
        return average

    @property
    def folder(self) -> Path:
        """Where checkpoints lie."""
        return self.run.output / "checkpoints"

    @property
    def _result(self) -> Path:
        return self.run.output / "result"

    def go(self) -> Path:
        """Train from the newest checkpoint, or the beginning, to the end; the folder with the result.

        SIGINT and SIGTERM end it early with a checkpoint, as a TrainingError. Raises TrainingError.
        """
        self._resume()
        log = self.together.each(self._open_log)
        try:
            with self._stoppable():
                while self.step < self.run.steps:
                    values = self._one_step()
                    self.step += 1
                    self._stops = self.together.any(self._stops)  # all end after the same step
                    log.advance()
                    self._after_step(log, values)
        finally:
            log.close()
        return self._finish()

    def _open_log(self) -> TrainingLog:
        return TrainingLog(self.run.output, start=self.step, steps=self.run.steps, is_main=self._is_main)

    def _one_step(self) -> dict[str, float]:
        parts, summed = self.run.gradient_accumulation_steps, dict[str, float]()
        rate = rate_at(self.step, self.run.steps, self.settings)
        for part in range(parts):
            place = TaskContext(self.run.seed, self.step, self.run.steps, part, self.accelerator.process_index)
            batch = to_device(self.together.each(partial(self.task.batch, place)), self.accelerator.device)
            seed_torch(*place.own())
            is_last = part + 1 == parts
            with nullcontext() if is_last else self.accelerator.no_sync(self.network), self.accelerator.autocast():
                losses = self.network(batch)
            self.accelerator.backward(losses["loss"] / parts)
            for name, value in losses.items():
                summed[name] = summed.get(name, 0.0) + float(value.detach()) / parts
        if not math.isfinite(summed["loss"]):
            raise TrainingError(self._not_finite(summed["loss"]))
        norm = self._update(rate)
        return {**summed, "gradient_norm": norm, "rate": rate}

    def _update(self, rate: float) -> float:
        norm = clip_gradients([p for _, p in self.trainable], self.step, self.settings)
        if not math.isfinite(norm):
            raise TrainingError(self._not_finite(norm))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["full_rate"] * rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.step([p for _, p in self.trainable])
        return norm

    def _after_step(self, log: TrainingLog, values: dict[str, float]) -> None:
        """`self.step` counts what is done; what is told of it has the number of the step itself."""
        is_end = self.step == self.run.steps
        if is_end or self.step % self.run.log_every == 0:
            self.together.in_main(lambda: log.tell(self.step - 1, values))
        if is_end or self._stops or self.step % self.run.checkpoint_every == 0:
            self.together.in_main(self._save)
        if self.run.sample_every and (is_end or self.step % self.run.sample_every == 0):
            self.together.in_main(lambda: self._look(log))
        if self._stops and not is_end:
            raise TrainingError(
                f"stopped after step {self.step} of {self.run.steps}; the same command goes on from there"
            )

    def _save(self) -> None:
        parts = {"weights": {name: p.detach().cpu() for name, p in self.trainable}}
        for i, optimiser in enumerate(self.optimisers):
            parts[f"optimiser-{i}"] = checkpoints.optimizer_state(optimiser)
        if self.ema:
            parts["ema"] = dict(zip((n for n, _ in self.trainable), self.ema.shadow_params, strict=True))
        checkpoints.save_checkpoint(self.folder, self.step, parts, {"same": self._facts()}, self.run.keep_checkpoints)

    def _resume(self) -> None:
        with writing("what the training makes", self.run.output):
            self.run.output.mkdir(parents=True, exist_ok=True)
        checkpoint = checkpoints.newest_checkpoint(self.folder)
        if checkpoint is None:
            return
        parts, facts = checkpoints.load_checkpoint(checkpoint)
        self._refuse_unlike(checkpoint, parts, facts)
        checkpoints.restore_tensors(self.trainable, parts["weights"], str(checkpoint))
        for i, optimiser in enumerate(self.optimisers):
            checkpoints.restore_optimizer(optimiser, parts[f"optimiser-{i}"])
        if self.ema:
            shadows = zip((n for n, _ in self.trainable), self.ema.shadow_params, strict=True)
            checkpoints.restore_tensors(shadows, parts["ema"], str(checkpoint))
            self.ema.optimization_step = facts["step"]
        self.step = facts["step"]

    def _refuse_unlike(self, checkpoint: Path, parts: checkpoints.Parts, facts: Facts) -> None:
        """Raises TrainingError for a checkpoint that this training cannot go on from."""
        elsewhere = f"choose another run.output, or delete {self.folder}"
        if "same" not in facts:
            raise TrainingError(f"{checkpoint} is of another version of this package; {elsewhere}")
        changed = difference(facts["same"], self._facts())
        if changed:
            raise TrainingError(
                f"{checkpoint} is of a training with other settings: {changed}; set them back, {elsewhere}"
            )
        missing = {"weights", *(f"optimiser-{i}" for i in range(len(self.optimisers)))} - parts.keys()
        missing |= {"ema"} - parts.keys() if self.ema else set()
        if missing:
            raise TrainingError(
                f"{checkpoint} is damaged: {min(missing)}.safetensors is missing; delete that folder to go on from the "
                "one before"
            )
        if facts["step"] > self.run.steps:
            raise TrainingError(f"{checkpoint} has more steps than run.steps = {self.run.steps}; {elsewhere}")

    def _finish(self) -> Path:
        self.together.in_main(self._write_result)
        return self._result

    def _write_result(self) -> None:
        with self._averaged(), writing("the result", self._result), whole_folder(self._result) as unfinished:
            self.task.save(unfinished)

    def _look(self, log: TrainingLog) -> None:
        """What the averaged networks have learnt: numbers into the log, a picture beside it."""
        with self._averaged():
            picture = self.task.sample()
            log.tell(self.step - 1, self.task.measure())
        if picture is not None:
            folder = self.run.output / "samples"
            with writing("a sample", folder):
                folder.mkdir(exist_ok=True)
                picture.save(folder / f"step-{self.step:08d}.png")

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The networks with their averaged weights, as they are when used, for a while."""
        parameters: list[nn.Parameter] = [p for _, p in self.trainable]
        if self.ema:
            self.ema.store(parameters)
            self.ema.copy_to(parameters)
        self.task.network.eval()
        try:
            yield
        finally:
            learn(self.task.network)
            if self.ema:
                self.ema.restore(parameters)

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        def stop(*_: Any) -> None:
            self._stops = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _facts(self) -> Facts:
        """What must stay the same when the training goes on."""
        return facts_of(self.told, processes=self.accelerator.num_processes)

    def _not_finite(self, value: float) -> str:
        kept = checkpoints.newest_checkpoint(self.folder)
        hint = f"{kept} is the last good state" if kept else "nothing has been saved yet"
        return f"the loss or its gradient became {value} in step {self.step}; {hint}; lower the learning rate"

    @property
    def _is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)


def learn(network: nn.Module) -> None:
    """Parts in which something learns are as they are in training, the others as they are in use: no dropout there."""
    for part in network.children():
        part.train(any(parameter.requires_grad for parameter in part.parameters()))


def make_accelerator(run: RunSettings) -> Accelerator:
    """accelerate for this run: processes and devices are those it was launched with."""
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    patience = InitProcessGroupKwargs(timeout=PATIENCE)
    return Accelerator(cpu=run.device == "cpu", mixed_precision=run.mixed_precision, kwargs_handlers=[unused, patience])


def to_device(value: Any, device: Any) -> Any:
    """A tensor, and those in a dictionary, on `device`."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    return value
