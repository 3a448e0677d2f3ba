"""The whole language between the supervisor and its engine: frozen dataclasses over a pipe.

Supervisor → engine: Load first, then Load, Run, Cancel, Pause, Shutdown. Engine → supervisor: Ready or NotLoaded to a
Load; Progress, Resumed, Checkpointed, Preview, SegmentWritten, and then Done or Failed to a Run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from worker.settings import Memory


@dataclass(frozen=True)
class LoadModel:
    """Have the model in `folder`, beside those that are there already, as far as they have room; or `alone`.

    The first thing an engine hears. `memory` is a profile, or "auto"; `room_bytes` is what the weights of all loaded
    models may take together, None for what the device has.
    """

    folder: Path
    device: str
    dtype: str
    log_format: str
    memory: Memory = "auto"
    room_bytes: int | None = None
    alone: bool = False

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.folder.name


@dataclass(frozen=True)
class Checkpoints:
    """Where a run keeps how it stands: a folder of its own beside those of the attempts before it, every so often.

    With 0 seconds after every step, else as long as it costs next to nothing.
    """

    folder: Path
    every_s: float


@dataclass(frozen=True)
class Run:
    """Make one video, or picture, at `output_path`, and its manifest beside it. `id` names this attempt, for Cancel.

    `inputs` are files by their names in `INPUT_FILES`. Without `checkpoints` it begins at the beginning
    and keeps none.
    """

    id: str
    request: VideoRequest
    output_path: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    checkpoints: Checkpoints | None = None


@dataclass(frozen=True)
class Cancel:
    """Stop the run `id` at the next step."""

    id: str


@dataclass(frozen=True)
class Pause:
    """Keep how the run `id` stands at the next step, and stop: another worker goes on with it."""

    id: str


@dataclass(frozen=True)
class Shutdown:
    """End, when the current run is done."""


@dataclass(frozen=True)
class Loaded:
    """A model that is there: its memory profile, and what its weights take."""

    memory: Memory = "normal"
    weights_bytes: int = 0


@dataclass(frozen=True)
class Ready:
    """The model of `card` is there, after `seconds`; `loaded` are all that are now, `dropped` those that made way."""

    card: ModelCard
    loaded: Mapping[str, Loaded]
    dropped: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class NotLoaded:
    """The model cannot be loaded; `reason` is for the operator's log. After a fatal failure the engine is of no use."""

    model: str
    reason: str
    is_fatal: bool = False


@dataclass(frozen=True)
class Progress:
    """How far the run is: steps of denoising, frames of decoding; other phases leave the count as it was."""

    phase: Phase
    step: int
    total_steps: int


@dataclass(frozen=True)
class Resumed:
    """The run goes on from a checkpoint: so many steps are done already."""

    step: int


@dataclass(frozen=True)
class Checkpointed:
    """How the run stands after this step is in its folder."""

    step: int


@dataclass(frozen=True)
class Preview:
    """How the video looks after this step: `picture` is a small WebP."""

    picture: bytes
    step: int
    total_steps: int


@dataclass(frozen=True)
class SegmentWritten:
    """The segment with this number of a long video lies, whole, beside where the video will (`result_files`)."""

    number: int
    num_frames: int


@dataclass(frozen=True)
class Done:
    """The video is on disk, and was decoded once to see that it is whole. `phase_seconds` by the name of the phase.

    `segment_frames` are the frames of each segment that lies beside it.
    """

    sha256: str
    size_bytes: int
    peak_memory_mb: float
    phase_seconds: dict[str, float]
    warnings: tuple[str, ...] = field(default=())
    segment_frames: tuple[int, ...] = ()


@dataclass(frozen=True)
class Failed:
    """No video: `code` is one of `jobs.model.failure`, `message` a sentence for the caller or None for the usual one.

    After a fatal failure the engine is of no more use.
    """

    code: str
    message: str | None = None
    is_fatal: bool = False


Command = LoadModel | Run | Cancel | Pause | Shutdown
Event = Ready | NotLoaded | Progress | Resumed | Checkpointed | Preview | SegmentWritten | Done | Failed
