"""The messages between the supervisor and its engine: frozen dataclasses over a pipe.

The supervisor sends commands: LoadModel first, then LoadModel, Run, Cancel, Pause or Shutdown. The engine sends events.
Ready or NotLoaded follows a LoadModel. Progress, DeviceMemory, CheckpointDamaged, Resumed, Checkpointed, Preview,
SegmentWritten, WindowWanted, WindowReused, WindowDamaged and WindowFinished follow a Run, and Done or Failed ends it.
A WindowReply follows a WindowWanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from easyanimate.windows import FRAMES, ContinuationMode
from jobs.logs import LogLevel
from jobs.model.job import WindowDrift
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from jobs.queue.vocabularies import Vocabulary
from worker.load_options import Compile, CpuThreads, Memory


@dataclass(frozen=True)
class LoadModel:
    """Load the model in `folder`, beside the loaded ones as far as memory allows, or `alone`.

    `memory` is a profile or "auto". `room_bytes` limits the weights of all loaded models together; None means the
    memory of the device. `cpu_threads` is a number, or "auto" for the one of `easyanimate.cpu_threads`.
    `compile` "blocks" compiles the blocks of the transformer.
    """

    folder: Path
    device: str
    dtype: str
    log_format: str
    memory: Memory = "auto"
    room_bytes: int | None = None
    alone: bool = False
    log_level: LogLevel = "info"
    cpu_threads: CpuThreads = "auto"
    compile: Compile = "off"

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.folder.name


@dataclass(frozen=True)
class Checkpoints:
    """The folder for the checkpoints of one attempt, beside those of earlier attempts, and the interval.

    With 0 seconds there is one after every step; otherwise their cost is limited to a small share of the run.
    """

    folder: Path
    every_s: float


@dataclass(frozen=True)
class Run:
    """Generate one video or image at `output_path`, and its manifest beside it. `id` names this attempt.

    `inputs` are files by their names (`jobs.model.input_files`). Without `checkpoints` the run starts at step 0 and
    writes none. With the `window_scope` of its owner it asks for stored windows, and writes those that it generates.
    `continuation` says how the windows of a long video continue.
    """

    id: str
    request: VideoRequest
    output_path: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    checkpoints: Checkpoints | None = None
    window_scope: str | None = None
    continuation: ContinuationMode = FRAMES

    @property
    def windows_folder(self) -> Path:
        """The folder of the files of windows (`worker/windows/format.py`), in both directions."""
        return self.output_path.parent / "windows"


@dataclass(frozen=True)
class Cancel:
    """Stop the run `id` at the next step."""

    id: str


@dataclass(frozen=True)
class Pause:
    """Write a checkpoint of the run `id` at the next step and stop; another worker resumes it."""

    id: str


@dataclass(frozen=True)
class WindowReply:
    """Whether the window with this key is in the folder of the run `id`."""

    id: str
    key: str
    is_fetched: bool


@dataclass(frozen=True)
class Shutdown:
    """Exit after the current run."""


@dataclass(frozen=True)
class Loaded:
    """A loaded model: its memory profile and the size of its weights."""

    memory: Memory = "normal"
    weights_bytes: int = 0


@dataclass(frozen=True)
class Ready:
    """The model of `card` was loaded in `seconds`. `loaded` are all loaded models, `dropped` the evicted ones.

    `vocabulary` describes its tokenizer, if it is of a kind that front ends can count with.
    """

    card: ModelCard
    loaded: Mapping[str, Loaded]
    dropped: tuple[str, ...] = ()
    seconds: float = 0.0
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True)
class NotLoaded:
    """The model cannot be loaded; `reason` is for the operator's log. After a fatal failure the engine exits."""

    model: str
    reason: str
    is_fatal: bool = False


@dataclass(frozen=True)
class Progress:
    """The progress of a run: steps of denoising or frames of decoding. Other phases do not change the count.

    The reported `phase` never goes back. `doing` is what the engine does now, in this `window` if there is
    one yet.
    """

    phase: Phase
    step: int
    total_steps: int
    doing: Phase | None = field(default=None, compare=False)
    window: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class DeviceMemory:
    """Used and total bytes of the memory of the GPU, for all processes on it."""

    used_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Resumed:
    """The run resumes from a checkpoint, after `step` finished steps."""

    step: int


@dataclass(frozen=True)
class CheckpointDamaged:
    """The checkpoint of this earlier attempt cannot be read, or files of it are damaged or missing."""

    attempt: str
    reason: str


@dataclass(frozen=True)
class Checkpointed:
    """The checkpoint after this step is written."""

    step: int


@dataclass(frozen=True)
class Preview:
    """A preview after this step: `image` is a small WebP."""

    image: bytes
    step: int
    total_steps: int


@dataclass(frozen=True)
class SegmentWritten:
    """The segment with this number is complete, in the folder of the output (`jobs.model.result_files`)."""

    number: int
    num_frames: int


@dataclass(frozen=True)
class WindowWanted:
    """The next window has this key. The engine waits for the reply."""

    key: str


@dataclass(frozen=True)
class WindowReused:
    """The stored window with this key is valid and takes the place of a generated one."""

    key: str


@dataclass(frozen=True)
class WindowDamaged:
    """The stored window with this key cannot be read; the engine generates it."""

    key: str
    reason: str


@dataclass(frozen=True)
class WindowFinished:
    """The window with this key is generated, and its files are in the folder of the run.

    With `is_resumed` an earlier attempt generated it, and may have stored it.
    """

    key: str
    size_bytes: int
    is_resumed: bool = False


@dataclass(frozen=True)
class Done:
    """The video is written and checked. `phase_seconds` are by the name of the phase.

    `sha256` is the digest of the file; after it is marked, `unsigned_sha256` is the one before, and `segment_sha256`
    are those of the segments. `segment_frames` are the numbers of frames of the segments beside it, `steps` the
    denoising steps of all windows, without those of a draft that was continued. `draft_reused` is whether a promotion
    continued one. `drift` has the windows of a long video after the first. `num_windows` counts all windows, and
    `reused_windows` are the indexes of those that were taken from storage, whose steps do not count.
    """

    sha256: str
    size_bytes: int
    peak_memory_mb: float
    phase_seconds: dict[str, float]
    warnings: tuple[str, ...] = field(default=())
    segment_frames: tuple[int, ...] = ()
    steps: int = 0
    draft_reused: bool | None = None
    unsigned_sha256: str | None = None
    segment_sha256: tuple[str, ...] = ()
    drift: tuple[WindowDrift, ...] = ()
    num_windows: int = 1
    reused_windows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The run failed with a code of `jobs.model.failure`; `message` None means the default sentence of the code.

    After a fatal failure the engine exits.
    """

    code: str
    message: str | None = None
    is_fatal: bool = False


Command = LoadModel | Run | Cancel | Pause | WindowReply | Shutdown
Note = (
    CheckpointDamaged
    | Resumed
    | Checkpointed
    | Preview
    | SegmentWritten
    | WindowWanted
    | WindowReused
    | WindowDamaged
    | WindowFinished
)  # the events of a run beside progress and its end
Event = Ready | NotLoaded | Progress | DeviceMemory | Note | Done | Failed
