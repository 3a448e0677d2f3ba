"""Settings of a training from a TOML or YAML file; all are validated before anything is loaded."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from easyanimate.training.errors import TrainingError
from easyanimate.training.shapes import World

S = TypeVar("S", bound=BaseModel)


class TrainingSettings(BaseModel):
    """Base class of settings; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Decay = Annotated[float, Field(ge=0, lt=1)]


class RunSettings(TrainingSettings):
    """Length, precision, logging and output of a run. `output` is a folder, relative to the working directory."""

    output: Path
    steps: int = Field(gt=0)
    seed: int = 0
    gradient_accumulation_steps: int = Field(1, gt=0)
    mixed_precision: Literal["no", "bf16"] = "no"
    device: Literal["auto", "cpu"] = "auto"
    checkpoint_every: int = Field(200, gt=0)
    keep_checkpoints: int = Field(2, gt=0)
    sample_every: int = Field(0, ge=0, description="steps between two sample images; 0 for none")
    log_every: int = Field(10, gt=0)


class OptimizerSettings(TrainingSettings):
    """Settings of the optimizer and of the learning rate.

    `constant` is the share of steps with a constant learning rate; then it falls by a cosine to `final` times its
    value. With `gradient_norm_rule` the limit falls from 5 to 1 times `max_gradient_norm` in the first 1000 steps. It
    is divided by up to 10 for a norm of more than 5 limits (spec: transformer 19.3).
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-4, gt=0)
    muon_learning_rate: float = Field(2e-3, gt=0, description="for matrices, if kind is muon")
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    epsilon: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    warmup_steps: int = Field(0, ge=0)
    constant: float = Field(1.0, ge=0, le=1)
    final: float = Field(0.0, ge=0, le=1)
    max_gradient_norm: float = Field(1.0, gt=0)
    gradient_norm_rule: bool = False


class EmaSettings(TrainingSettings):
    """An exponential moving average of the weights, which becomes the result.

    Its decay is (1 + step) / (10 + step), at most `decay`.
    """

    decay: float = Field(0.9999, gt=0, lt=1)


class WorldSettings(TrainingSettings):
    """The procedural set (`easyanimate/training/shapes`); without a value all words are used."""

    shapes: tuple[str, ...] | None = None
    colours: tuple[str, ...] | None = None
    backgrounds: tuple[str, ...] | None = None
    motions: tuple[str, ...] | None = None
    speeds: tuple[str, ...] | None = None
    sizes: tuple[str, ...] | None = None
    style: str = "filled"
    any_colour: float = Field(0.0, ge=0, le=1)
    centred: float = Field(0.0, ge=0, le=1, description="share of clips whose shape passes the middle of the frame")
    centred_at: float = Field(0.5, ge=0, le=1, description="when it passes: 0 is the first frame, 1 the last")
    outlined: float = Field(
        0.0, ge=0, le=1, description="share of clips with an outlined shape, in addition to `style`"
    )
    captions: Literal["plain", "varied", "mixed"] = Field(
        "plain",
        description="plain: nine sentences; varied: many sentences, verbs and other words; mixed: half of each",
    )
    keeps_held_out: bool = Field(False, description="train on held-out combinations too")

    @model_validator(mode="after")
    def _has_scenes(self) -> Self:
        self.world()
        return self

    def world(self) -> World:
        """The set of scenes. Raises ValueError for unknown words, or if there are no scenes."""
        words = self.model_dump(exclude={"captions", "keeps_held_out"}, exclude_none=True)
        return World(**words, held_out=None if self.keeps_held_out else False)


class ListSettings(TrainingSettings):
    """A metadata list instead of the procedural set: a JSON list of `{"file_path", "text", "type": "image|video"}`.

    `folder` is the folder of its paths; the default is the folder of the list. At most the share `most_broken` of the
    files may be unreadable. Height and width of a batch then only define the area of its aspect-ratio bucket.
    """

    metadata: Path
    folder: Path | None = None
    most_broken: float = Field(0.1, ge=0, le=1)
    whole_length: float = Field(0.9, ge=0, le=1)


class BatchSettings(TrainingSettings):
    """One kind of batch: number of clips, frames (1: images) and pixels; `weight` is its relative frequency.

    `crop`, for a VAE, cuts squares of that side around the shape. `remembered`, for a transformer, is the number of
    clips that each process encodes once and uses repeatedly. The batches are used from the share `after` of the steps
    to the share `until`.
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
    def _fits(self) -> Self:
        if self.frames != 1 and self.frames % 8:
            raise ValueError(f"frames must be 1 or a multiple of 8, got {self.frames}")
        for name in ("height", "width", "crop"):
            value = getattr(self, name)
            if value is not None and value % 8:
                raise ValueError(f"{name} must be a multiple of 8, got {value}")
        if self.crop is not None and self.crop > min(self.height, self.width):
            raise ValueError(f"crop must be at most height and width, {self.height}x{self.width}, got {self.crop}")
        return self

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        if self.after >= self.until:
            raise ValueError(f"after must be less than until, {self.until}, got {self.after}")
        if 0 < self.remembered < self.batch_size:
            raise ValueError(f"remembered must be 0 or at least batch_size, {self.batch_size}, got {self.remembered}")
        return self


class DataSettings(TrainingSettings):
    """The source of the clips, the procedural set or a list of files, and the kinds of batches."""

    world: WorldSettings = WorldSettings()
    files: ListSettings | None = None
    batches: tuple[BatchSettings, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _suits_files(self) -> Self:
        if self.files is not None:
            self.refuse_in_batches("remembered", "files have buckets, so remove it")
            self.refuse_in_batches("crop", "files have no shape to cut around, so remove it")
        return self

    def refuse_in_batches(self, name: str, reason: str) -> None:
        """Raises ValueError if a batch has a value for the setting `name`."""
        for number, kind in enumerate(self.batches):
            if getattr(kind, name):
                raise ValueError(f"batches.{number} cannot have {name}: {reason}")


class TaskSettings(TrainingSettings):
    """Settings of every training; `optimiser` is the name of that table in the files."""

    run: RunSettings
    optimiser: OptimizerSettings = OptimizerSettings()
    ema: EmaSettings | None = None


def read_training_settings(path: Path, kind: type[S], overrides: dict[str, Any] | None = None) -> S:
    """The settings of a .toml, .yaml or .yml file; `overrides` such as `{"run.steps": 10}` replace values.

    Raises TrainingError with the file and the setting.
    """
    values = _read(path)
    for name, value in (overrides or {}).items():
        _set_value(values, name, value)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise TrainingError(f"{path} does not fit: {'; '.join(map(_sentence, _causes(error)))}") from error


def _causes(error: ValidationError) -> list[ErrorDetails]:
    """The errors without lists that are too short only because their items are invalid."""
    errors = error.errors()
    above = {e["loc"][:depth] for e in errors for depth in range(len(e["loc"]))}
    return [e for e in errors if e["type"] != "too_short" or e["loc"] not in above]


def _sentence(error: ErrorDetails) -> str:
    """The setting and its error; the error alone if it concerns several settings."""
    where = ".".join(str(part) for part in error["loc"])
    what = error["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8-sig")
        values = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    if path.suffix not in (".toml", ".yaml", ".yml") or not isinstance(values, dict):
        raise TrainingError(f"{path} must be a .toml or .yaml file with settings")
    return values


def _set_value(values: dict[str, Any], path: str, value: Any) -> None:
    """Sets the value at a path such as data.batches.0.height; missing tables are created."""
    *parents, last = path.split(".")
    container: Any = values
    for i, name in enumerate(parents):
        where = ".".join(parents[:i])
        key = _key(container, name, path, where)
        container = container.setdefault(key, {}) if isinstance(container, dict) else container[key]
    container[_key(container, last, path, ".".join(parents))] = value


def _key(container: Any, name: str, path: str, where: str) -> str | int:
    """`name` as a key of a table or as an index of a list; `where` is the path of the container."""
    if isinstance(container, dict):
        return name
    if not isinstance(container, list):
        raise TrainingError(f"{path} cannot be set: {where} is {container!r}, no table or list")
    if not name.isdecimal() or int(name) >= len(container):
        raise TrainingError(f"{path} cannot be set: {where} is a list, {name!r} is no number below {len(container)}")
    return int(name)
