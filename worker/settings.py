"""Settings of a worker and of a keeper, beside those that all processes share."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from easyanimate.models.lookup import full_model_name
from easyanimate.windows import FRAMES, ContinuationMode
from jobs.settings import Settings
from worker.load_options import Compile, CpuThreads, Memory

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class WorkerSettings(Settings):
    """A worker on one device. `model` is loaded at the start, those of the comma list `models` when a job needs them.

    `load_timeout_s`, `step_timeout_s` and `decode_timeout_s` limit the time without a message of the engine.
    `decode_timeout_s` is for decoding and muxing, `step_timeout_s` for each other phase of a run.
    """

    models_dir: Path = Path("models")  # before `model` and `models`, whose short names are resolved in it
    model: ModelName = "easyanimate-v3-tiny"
    models: Annotated[tuple[ModelName, ...], NoDecode] = ()
    model_memory_bytes: int | None = Field(default=None, gt=0)  # for the weights of all loaded models
    model_turn_s: float = Field(default=60.0, ge=0)  # after a load: how long jobs of models that are not loaded wait
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    memory: Memory = "auto"
    cpu_threads: CpuThreads = "auto"
    compile: Compile = "off"
    continuation: ContinuationMode = FRAMES
    beat_s: float = Field(default=0.5, gt=0)
    load_timeout_s: float = Field(default=900.0, gt=0)
    step_timeout_s: float = Field(default=600.0, gt=0)  # a step of a large model on a CPU takes minutes
    decode_timeout_s: float = Field(default=600.0, gt=0)
    cancel_grace_s: float = Field(default=10.0, ge=0)  # from the stop request until the process of the engine is killed
    drain_grace_s: float = Field(default=25.0, ge=0)
    checkpoint_every_s: float = Field(default=5.0, ge=0)  # to the spool; 0 means after every step
    checkpoint_store_every_s: float = Field(default=30.0, ge=0)  # to storage, for workers on other hosts
    storage_patience_s: float = Field(default=900.0, ge=0)  # how long a finished video waits for an unavailable storage
    spool_dir: Path | None = None
    worker_metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    reuse_windows: Literal["off", "films", "on"] = "films"  # whose windows are stored, and taken by equal runs
    pod_deletion_cost: Literal["off", "on"] = "off"  # on: the worker annotates its own pod of Kubernetes

    @model_validator(mode="after")
    def _renew_in_time(self) -> Self:
        if self.beat_s > self.lease_s / 3:
            rule = (
                "EASYANIMATE_BEAT_S must be at most a third of EASYANIMATE_LEASE_S, so that a heartbeat may fail twice"
            )
            raise ValueError(f"{rule}: {self.beat_s:g} and {self.lease_s:g} are set")
        return self

    @property
    def renewed_lease_s(self) -> float:
        """Seconds from a heartbeat until the lease ends.

        A worker may pause just before its next heartbeat: so the time of a lease begins when that one is due.
        """
        return self.lease_s + self.beat_s

    @property
    def model_folder(self) -> Path:
        """The folder of the model that is loaded at the start."""
        return self.models_dir / self.model

    @property
    def served_models(self) -> tuple[str, ...]:
        """The names of all models of this worker, without duplicates; the first is loaded at the start."""
        return tuple(dict.fromkeys((self.model, *self.models)))

    @property
    def spool(self) -> Path:
        """The folder of finished videos that are not stored yet."""
        return self.spool_dir or self.data_dir / "spool"

    @property
    def checkpoints(self) -> Path:
        """The folder of this host's checkpoints; it stays when the spool folder of a worker is deleted."""
        return self.spool / ".checkpoints"

    @field_validator("model", mode="before")
    @classmethod
    def _resolve_model(cls, value: object, info: ValidationInfo) -> object:
        return _model_name(value, info.data.get("models_dir"))

    @field_validator("models", mode="before")
    @classmethod
    def _resolve_models(cls, value: object, info: ValidationInfo) -> object:
        names = [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return names
        return tuple(_model_name(name, info.data.get("models_dir")) for name in names)


def _model_name(value: object, models_dir: Path | None) -> object:
    """Resolves a short name, a published name or a path to a folder name in `models_dir`. Raises ValueError."""
    if not isinstance(value, str) or models_dir is None:
        return value
    name = full_model_name(value, models_dir)
    if "/" in name:
        raise ValueError(
            f"{value} is not in the models folder {models_dir}; move it there, or set EASYANIMATE_MODELS_DIR"
        )
    return name


class KeeperSettings(Settings):
    """A keeper. It sends up to `webhook_threads` webhooks at once, at most an eighth of them to one receiver."""

    preemption: Literal["off", "priority"] = "off"  # priority: a running job yields to a waiting one of higher priority
    sweep_s: float = Field(default=1.0, gt=0)
    unserved_after_s: float = Field(
        default=60.0, ge=0
    )  # time without a worker after which the model is marked as unserved
    webhook_timeout_s: float = Field(default=15.0, gt=0, le=30)  # well below the minute of a claim
    webhook_threads: int = Field(default=32, ge=1, le=256)
    keeper_metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    retention_sweep_s: float = Field(default=60.0, gt=0)
    record_retention_s: float = Field(default=30 * 86_400, ge=0)  # after the files are deleted
    window_retention_s: float = Field(default=7 * 86_400, ge=3600)  # of stored windows, at most as long as their video
    window_quota_bytes: int = Field(default=2 << 30, ge=0)  # of the stored windows of one caller
    orphan_sweep_s: float = Field(default=6 * 3600, gt=0)
    orphan_grace_s: float = Field(default=86_400, ge=3600)  # younger objects may belong to jobs not yet written

    @model_validator(mode="after")
    def _sweep_often(self) -> Self:
        if self.sweep_s > self.lease_s / 4:
            rule = "EASYANIMATE_SWEEP_S must be at most a quarter of EASYANIMATE_LEASE_S"
            raise ValueError(f"{rule}: {self.sweep_s:g} and {self.lease_s:g} are set")
        return self
