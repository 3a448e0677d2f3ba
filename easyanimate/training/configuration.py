"""What a training is told, from one TOML or YAML file; every setting is checked before anything is loaded."""

import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from easyanimate.training.errors import TrainingError

S = TypeVar("S", bound=BaseModel)


class Settings(BaseModel):
    """Unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunSettings(Settings):
    """How long, how often, and where to. `output` is a folder; relative to where the command is run."""

    output: Path
    steps: int = Field(gt=0)
    seed: int = 0
    gradient_accumulation_steps: int = Field(1, gt=0)
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["auto", "cpu"] = "auto"
    checkpoint_every: int = Field(200, gt=0)
    keep_checkpoints: int = Field(2, gt=0)
    sample_every: int = Field(0, ge=0, description="steps between two sample strips; 0 for none")
    log_every: int = Field(10, gt=0)


class OptimiserSettings(Settings):
    """`constant` is the share of steps before the cosine falls to `final` times the learning rate (1: never).

    `gradient_norm_rule`: the limit falls from 5 to 1 times `max_gradient_norm` in the first 1000 steps, and is cut
    by up to 10 for a norm beyond 5 limits (spec: transformer 19.3).
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-4, gt=0)
    muon_learning_rate: float = Field(2e-3, gt=0, description="of the matrices, where kind is muon")
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    warmup_steps: int = Field(0, ge=0)
    constant: float = Field(1.0, ge=0, le=1)
    final: float = Field(0.0, ge=0, le=1)
    max_gradient_norm: float = Field(1.0, gt=0)
    gradient_norm_rule: bool = False


class EmaSettings(Settings):
    """A moving average of the weights is what is kept in the end; its rate is (1 + step) / (10 + step), at most
    `decay`."""

    decay: float = Field(0.9999, gt=0, lt=1)


class TaskSettings(Settings):
    """What every kind of training is told."""

    run: RunSettings
    optimiser: OptimiserSettings = OptimiserSettings()
    ema: EmaSettings | None = None


class WorldSettings(Settings):
    """The procedural set (`easyanimate/training/shapes`); what is not said is everything there is."""

    shapes: tuple[str, ...] | None = None
    colours: tuple[str, ...] | None = None
    backgrounds: tuple[str, ...] | None = None
    motions: tuple[str, ...] | None = None
    speeds: tuple[str, ...] | None = None
    sizes: tuple[str, ...] | None = None
    style: str = "filled"
    any_colour: float = Field(0.0, ge=0, le=1)
    centred: float = Field(0.0, ge=0, le=1, description="share of clips that pass the frame's middle, halfway")
    centred_at: float = Field(0.5, ge=0, le=1, description="or when: 0 is in the first frame, 1 in the last")
    outlined: float = Field(0.0, ge=0, le=1, description="share of clips whose shape is an outline, whatever `style`")
    keeps_held_out: bool = Field(False, description="True trains on held-out combinations too")


class ListSettings(Settings):
    """A metadata list in place of the procedural set: a JSON list of `{"file_path", "text", "type": "image|video"}`.

    `folder` is what its paths begin in (the list's own, if not said); of broken files at most the share `most_broken`
    is left out. The height and width of a batch then only say the area of its aspect-ratio bucket.
    """

    metadata: Path
    folder: Path | None = None
    most_broken: float = Field(0.1, ge=0, le=1)
    whole_length: float = Field(0.9, ge=0, le=1)


class BatchSettings(Settings):
    """One kind of batch: so many clips of so many frames (1: images) and pixels; `weight` is how often, relatively.

    `crop` cuts squares of that side around the shape, for a VAE. With `remembered`, for a transformer, each process
    makes and encodes so many clips once and uses them again and again. `until` and `after` are shares of the steps.
    """

    frames: int = Field(gt=0)
    height: int = Field(64, gt=0)
    width: int = Field(64, gt=0)
    crop: int | None = Field(None, gt=0)
    batch_size: int = Field(gt=0)
    weight: float = Field(1.0, gt=0)
    remembered: int = Field(0, ge=0)
    after: float = Field(0.0, ge=0, le=1)
    until: float = Field(1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _fits(self) -> "BatchSettings":
        if self.frames != 1 and self.frames % 8:
            raise ValueError(f"frames must be 1 or a multiple of 8, got {self.frames}")
        for name in ("height", "width", "crop"):
            value = getattr(self, name)
            if value is not None and value % 8:
                raise ValueError(f"{name} must be a multiple of 8, got {value}")
        return self


def read_settings(path: Path, kind: type[S], overrides: dict[str, Any] | None = None) -> S:
    """The settings in a .toml, .yaml or .yml file; `overrides` are `{"run.steps": 10}` from a command line.

    Raises TrainingError that names the file and the setting.
    """
    values = _read(path)
    for name, value in (overrides or {}).items():
        _put(values, name.split("."), value)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
        raise TrainingError(f"{path} does not fit: {what}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    if path.suffix not in (".toml", ".yaml", ".yml") or not isinstance(values, dict):
        raise TrainingError(f"{path} must be a .toml or .yaml file of settings")
    return values


def _put(values: dict[str, Any], names: list[str], value: Any) -> None:
    for name in names[:-1]:
        values = values.setdefault(name, {})
    values[names[-1]] = value
