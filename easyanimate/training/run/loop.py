"""The training loop with accelerate: steps, gradient accumulation, processes, checkpoints and samples."""

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

from easyanimate.provenance.plain import save_generated
from easyanimate.training.errors import TrainingError
from easyanimate.training.optimization.digests import SettingValues, describe_changes, fixed_settings
from easyanimate.training.optimization.optimizer import clip_gradients, learning_rate_factor, make_optimizers
from easyanimate.training.optimization.randomness import seed_torch
from easyanimate.training.run import checkpoints
from easyanimate.training.run.configuration import RunSettings, TaskSettings
from easyanimate.training.run.export import atomic_folder, write_errors
from easyanimate.training.run.logs import TrainingLog
from easyanimate.training.run.processes import ProcessGroup
from easyanimate.training.tasks.task import TaskContext, TrainingTask

PROCESS_TIMEOUT = timedelta(hours=6)  # while the main process saves and generates samples alone


class Training:
    """A training run. On the CPU the same settings and seed give the same losses, interrupted or not."""

    def __init__(self, task: TrainingTask, settings: TaskSettings, slow: Mapping[str, float] | None = None) -> None:
        """`slow` maps a word to the factor of the learning rate for parameters whose name contains it."""
        self.task, self.settings = task, settings
        self.run, self.optimizer_settings = settings.run, settings.optimiser
        self.accelerator = make_accelerator(self.run)
        self.processes = ProcessGroup(self.accelerator)
        self.trainable = [(n, p) for n, p in task.network.named_parameters() if p.requires_grad]
        if not self.trainable:
            raise TrainingError("there is nothing to train: no parameter's name holds one of the given words")
        self.optimizers = make_optimizers(self.trainable, self.optimizer_settings, slow)
        self.network = self.accelerator.prepare(task.network)
        set_training_mode(task.network)
        self.ema = self._make_ema()
        self.step = 0
        self._is_stopping = False

    def _make_ema(self) -> EMAModel | None:
        if self.settings.ema is None:
            return None
        ema = EMAModel([p for _, p in self.trainable], decay=self.settings.ema.decay, foreach=True)
        ema.to(self.accelerator.device)
        return ema

    @property
    def checkpoint_folder(self) -> Path:
        """The folder of the checkpoints."""
        return self.run.output / "checkpoints"

    @property
    def _result(self) -> Path:
        return self.run.output / "result"

    def train(self) -> Path:
        """Trains from the newest checkpoint, or from the start, to the end; returns the folder of the result.

        SIGINT and SIGTERM end it early, with a checkpoint and a TrainingError. Raises TrainingError.
        """
        self._resume()
        log = self.processes.run_in_each(self._open_log)
        try:
            with self._stop_signals():
                while self.step < self.run.steps:
                    values = self._train_step()
                    self.step += 1
                    self._is_stopping = self.processes.any(self._is_stopping)  # all end after the same step
                    log.advance()
                    self._after_step(log, values)
        finally:
            log.close()
        return self._finish()

    def _open_log(self) -> TrainingLog:
        return TrainingLog(self.run.output, start=self.step, steps=self.run.steps, is_main=self._is_main)

    def _train_step(self) -> dict[str, float]:
        parts, summed = self.run.gradient_accumulation_steps, dict[str, float]()
        factor = learning_rate_factor(self.step, self.run.steps, self.optimizer_settings)
        for part in range(parts):
            context = TaskContext(self.run.seed, self.step, self.run.steps, part, self.accelerator.process_index)
            batch = to_device(self.processes.run_in_each(partial(self.task.batch, context)), self.accelerator.device)
            seed_torch(*context.process_key())
            is_last = part + 1 == parts
            with nullcontext() if is_last else self.accelerator.no_sync(self.network), self.accelerator.autocast():
                losses = self.network(batch)
            self.accelerator.backward(losses["loss"] / parts)
            for name, value in losses.items():
                summed[name] = summed.get(name, 0.0) + float(value.detach()) / parts
        if not math.isfinite(summed["loss"]):
            raise TrainingError(self._not_finite(summed["loss"]))
        norm = self._update(factor)
        return {**summed, "gradient_norm": norm, "rate": factor}

    def _update(self, factor: float) -> float:
        norm = clip_gradients([p for _, p in self.trainable], self.step, self.optimizer_settings)
        if not math.isfinite(norm):
            raise TrainingError(self._not_finite(norm))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_rate"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.step([p for _, p in self.trainable])
        return norm

    def _after_step(self, log: TrainingLog, values: dict[str, float]) -> None:
        """Logs, saves and samples after a step; `self.step` counts finished steps, the log counts from 0."""
        is_end = self.step == self.run.steps
        if is_end or self.step % self.run.log_every == 0:
            self.processes.run_in_main(lambda: log.write(self.step - 1, values))
        if is_end or self._is_stopping or self.step % self.run.checkpoint_every == 0:
            self.processes.run_in_main(self._save)
        if self.run.sample_every and (is_end or self.step % self.run.sample_every == 0):
            self.processes.run_in_main(lambda: self._write_sample(log))
        if self._is_stopping and not is_end:
            raise TrainingError(
                f"stopped after step {self.step} of {self.run.steps}; the same command continues from there"
            )

    def _save(self) -> None:
        parts = {"weights": {name: p.detach().cpu() for name, p in self.trainable}}
        for i, optimizer in enumerate(self.optimizers):
            parts[f"optimiser-{i}"] = checkpoints.optimizer_state(optimizer)
        if self.ema:
            parts["ema"] = dict(zip((n for n, _ in self.trainable), self.ema.shadow_params, strict=True))
        facts = {"same": self._fixed_settings()}
        checkpoints.save_checkpoint(self.checkpoint_folder, self.step, parts, facts, self.run.keep_checkpoints)

    def _resume(self) -> None:
        with write_errors("the output of the training", self.run.output):
            self.run.output.mkdir(parents=True, exist_ok=True)
        checkpoint = checkpoints.newest_checkpoint(self.checkpoint_folder)
        if checkpoint is None:
            return
        parts, facts = checkpoints.load_checkpoint(checkpoint)
        self._check_checkpoint(checkpoint, parts, facts)
        checkpoints.restore_tensors(self.trainable, parts["weights"], str(checkpoint))
        for i, optimizer in enumerate(self.optimizers):
            checkpoints.restore_optimizer(optimizer, parts[f"optimiser-{i}"])
        if self.ema:
            shadows = zip((n for n, _ in self.trainable), self.ema.shadow_params, strict=True)
            checkpoints.restore_tensors(shadows, parts["ema"], str(checkpoint))
            self.ema.optimization_step = facts["step"]
        self.step = facts["step"]

    def _check_checkpoint(self, checkpoint: Path, parts: checkpoints.Parts, facts: SettingValues) -> None:
        """Raises TrainingError for a checkpoint that this training cannot resume from."""
        elsewhere = f"choose another run.output, or delete {self.checkpoint_folder}"
        if "same" not in facts:
            raise TrainingError(f"{checkpoint} is of another version of this package; {elsewhere}")
        changed = describe_changes(facts["same"], self._fixed_settings())
        if changed:
            raise TrainingError(
                f"{checkpoint} is of a training with other settings: {changed}; set them back, {elsewhere}"
            )
        missing = {"weights", *(f"optimiser-{i}" for i in range(len(self.optimizers)))} - parts.keys()
        missing |= {"ema"} - parts.keys() if self.ema else set()
        if missing:
            raise TrainingError(
                f"{checkpoint} is damaged: {min(missing)}.safetensors is missing; delete that folder to resume from "
                "the one before"
            )
        if facts["step"] > self.run.steps:
            raise TrainingError(f"{checkpoint} has more steps than run.steps = {self.run.steps}; {elsewhere}")

    def _finish(self) -> Path:
        self.processes.run_in_main(self._write_result)
        return self._result

    def _write_result(self) -> None:
        with self._ema_weights(), write_errors("the result", self._result), atomic_folder(self._result) as unfinished:
            self.task.save(unfinished)

    def _write_sample(self, log: TrainingLog) -> None:
        """Writes a sample image and measurements of the averaged networks."""
        with self._ema_weights():
            image = self.task.sample()
            log.write(self.step - 1, self.task.measure())
        if image is not None:
            folder = self.run.output / "samples"
            with write_errors("a sample", folder):
                folder.mkdir(exist_ok=True)
                save_generated(image, folder / f"step-{self.step:08d}.png")

    @contextmanager
    def _ema_weights(self) -> Iterator[None]:
        """Gives the networks their averaged weights, in evaluation mode, for the length of the block."""
        parameters: list[nn.Parameter] = [p for _, p in self.trainable]
        if self.ema:
            self.ema.store(parameters)
            self.ema.copy_to(parameters)
        self.task.network.eval()
        try:
            yield
        finally:
            set_training_mode(self.task.network)
            if self.ema:
                self.ema.restore(parameters)

    @contextmanager
    def _stop_signals(self) -> Iterator[None]:
        def stop(*_: Any) -> None:
            self._is_stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _fixed_settings(self) -> SettingValues:
        """The values that must stay the same when the training is resumed."""
        return fixed_settings(self.settings, processes=self.accelerator.num_processes)

    def _not_finite(self, value: float) -> str:
        kept = checkpoints.newest_checkpoint(self.checkpoint_folder)
        hint = f"{kept} is the last good state" if kept else "nothing has been saved yet"
        return f"the loss or its gradient became {value} in step {self.step}; {hint}; lower the learning rate"

    @property
    def _is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)


def set_training_mode(network: nn.Module) -> None:
    """Sets parts with trainable parameters to training mode, and frozen parts to evaluation mode, without dropout."""
    for part in network.children():
        part.train(any(parameter.requires_grad for parameter in part.parameters()))


def make_accelerator(run: RunSettings) -> Accelerator:
    """The accelerator of a run, with the processes and devices it was launched with."""
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    timeout = InitProcessGroupKwargs(timeout=PROCESS_TIMEOUT)
    return Accelerator(cpu=run.device == "cpu", mixed_precision=run.mixed_precision, kwargs_handlers=[unused, timeout])


def to_device(value: Any, device: Any) -> Any:
    """Moves a tensor, or the tensors of a dictionary, to `device`."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    return value
