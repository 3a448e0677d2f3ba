"""The settings of a worker and of a keeper, on top of those that all processes share."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from easyanimate.models.lookup import full_model_name
from jobs.settings import Settings

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Memory = Literal["auto", "normal", "low", "lowest"]


class WorkerSettings(Settings):
    """One worker on one device: `model`, loaded at the start, and `models`, a comma list, loaded when asked for.

    A `*_timeout_s` is how long the engine may be silent in that phase.
    """

    models_dir: Path = Path("models")  # before the models, whose short names are looked up in it
    model: ModelName = "easyanimate-v3-tiny"
    models: Annotated[tuple[ModelName, ...], NoDecode] = ()
    model_memory_bytes: int | None = Field(default=None, gt=0)  # for the weights of all loaded models
    model_turn_s: float = Field(default=60.0, ge=0)  # after a load: how long others wait for models that are not loaded
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    memory: Memory = "auto"
    beat_s: float = Field(default=3.0, gt=0)
    load_timeout_s: float = Field(default=900.0, gt=0)
    step_timeout_s: float = Field(default=600.0, gt=0)  # a step of a big model on a CPU takes minutes
    decode_timeout_s: float = Field(default=600.0, gt=0)
    cancel_grace_s: float = Field(default=10.0, ge=0)  # from asking the engine to stop to ending its process
    drain_grace_s: float = Field(default=25.0, ge=0)
    checkpoint_every_s: float = Field(default=5.0, ge=0)  # to the spool; 0 after every step
    checkpoint_store_every_s: float = Field(default=30.0, ge=0)  # to storage, where other hosts find them
    storage_patience_s: float = Field(default=900.0, ge=0)  # how long a finished video waits for its storage
    spool_dir: Path | None = None
    worker_metrics_port: int | None = Field(default=None, ge=1, le=65_535)

    @property
    def model_folder(self) -> Path:
        """Where the model lies that this worker serves."""
        return self.models_dir / self.model

    @property
    def served_models(self) -> tuple[str, ...]:
        """The names of all models this worker serves, once each; the first is loaded at the start."""
        return tuple(dict.fromkeys((self.model, *self.models)))

    @property
    def spool(self) -> Path:
        """Where videos lie until they are stored."""
        return self.spool_dir or self.data_dir / "spool"

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints of the jobs of this host lie; the spool of one worker goes with it, these stay."""
        return self.spool / ".checkpoints"

    @field_validator("model", mode="before")
    @classmethod
    def _find_model(cls, given: object, info: ValidationInfo) -> object:
        return _to_shelf_name(given, info.data.get("models_dir"))

    @field_validator("models", mode="before")
    @classmethod
    def _find_models(cls, given: object, info: ValidationInfo) -> object:
        names = [name.strip() for name in given.split(",") if name.strip()] if isinstance(given, str) else given
        if not isinstance(names, list | tuple):
            return names
        return tuple(_to_shelf_name(name, info.data.get("models_dir")) for name in names)


def _to_shelf_name(given: object, models_dir: Path | None) -> object:
    """The name in `models_dir` of a short name, a published name or a path; ValueError for a path elsewhere."""
    if not isinstance(given, str) or models_dir is None:
        return given
    name = full_model_name(given, models_dir)
    if "/" in name:
        raise ValueError(
            f"{given} is not in the models folder {models_dir}; move it there, or set EASYANIMATE_MODELS_DIR"
        )
    return name


class KeeperSettings(Settings):
    """One keeper. `webhook_threads` deliveries are under way at once, at most an eighth of them to one receiver."""

    sweep_s: float = Field(default=2.0, gt=0)
    unserved_after_s: float = Field(default=60.0, ge=0)  # without a worker: then waiting jobs are said to wait for one
    webhook_timeout_s: float = Field(default=15.0, gt=0, le=30)  # well below the minute a delivery is claimed for
    webhook_threads: int = Field(default=32, ge=1, le=256)
    keeper_metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    retention_sweep_s: float = Field(default=60.0, gt=0)
    record_retention_s: float = Field(default=30 * 86_400, ge=0)  # after the files are gone
    orphan_sweep_s: float = Field(default=6 * 3600, gt=0)
    orphan_grace_s: float = Field(
        default=86_400, ge=3600
    )  # younger objects may be of jobs that are just being accepted
