"""The request for a video, complete and validated: a frozen model from the front end to the worker."""

from enum import StrEnum
from typing import Literal, get_args

from pydantic import BaseModel, Field, SecretStr, field_serializer


class Mode(StrEnum):
    """The kind of generation, which follows from the inputs of a request."""

    TEXT_TO_VIDEO = "text_to_video"
    IMAGE_TO_VIDEO = "image_to_video"
    TEXT_TO_IMAGE = "text_to_image"
    VIDEO_TO_VIDEO = "video_to_video"
    EXTENSION = "extension"
    FILM = "film"


EventType = Literal[
    "video.queued", "video.started", "video.progress", "video.completed", "video.failed", "video.cancelled"
]
WEBHOOK_EVENTS: tuple[EventType, ...] = get_args(EventType)
DEFAULT_WEBHOOK_EVENTS: tuple[EventType, ...] = ("video.completed", "video.failed", "video.cancelled")
MAX_PROMPT_CHARS = 32_000


class WebhookTarget(BaseModel, frozen=True, extra="forbid"):
    """The receiver of a job's events: URL, event types and secret (`whsec_…`; None for the service's own)."""

    url: str
    events: tuple[str, ...] = DEFAULT_WEBHOOK_EVENTS
    secret: SecretStr | None = None

    @field_serializer("secret", when_used="json")
    def _stored_in_full(self, secret: SecretStr | None) -> str | None:
        return secret.get_secret_value() if secret else None


class LoraChoice(BaseModel, frozen=True, extra="forbid"):
    """A LoRA by its name in the worker's models folder, and its scale."""

    name: str
    scale: float


class GenerationSettings(BaseModel, frozen=True, extra="forbid"):
    """The parameters of a generation that are the same at every layer: API, stored request, manifest and pipeline.

    A new parameter is added here; inheritance, views, manifests and pipeline inputs iterate over these fields.
    """

    prompt: str
    negative_prompt: str = ""
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    seed: int = Field(description="0 to 2**63-1.")
    strength: float = Field(
        default=1.0, description="Share of the denoising steps that run; less keeps more of the source video."
    )
    overlap: int = Field(default=4, description="Frames that a window shares with the one before.")
    clip_apply_ratio: float = 0.5
    smooth: bool = True
    clean_caption: bool = True
    quality: str = Field(default="exact", description="exact, or fast, which is lossy.")


class ShotRequest(BaseModel, frozen=True, extra="forbid"):
    """One shot of a film, with every default filled in.

    It has `num_frames` new frames, and continues from the last `overlap` frames of the shot before; 0 is a cut.
    `num_windows` counts its windows. The keys name its start image and its end image in storage.
    """

    prompt: str
    negative_prompt: str = ""
    num_frames: int
    seed: int
    overlap: int = 0
    num_windows: int = 1
    image_key: str | None = None
    last_image_key: str | None = None


class VideoRequest(GenerationSettings):
    """A complete request for one video, with every default filled in.

    `num_frames` is the length of the whole result at `fps` frames per second. The keys name inputs in storage: start
    image, end image and mask are checked RGB PNGs, `video_key` is an MP4 with a checked header. The source video is
    changed, or with `continues` it is the beginning of the result; `video_num_frames` counts its frames at `fps`.
    A film has `shots`; its `prompt` is that of all shots, joined by newlines.
    A draft ends after `draft_steps` calls of the transformer. The request of its promotion has the state of the draft
    under `draft_key`, after `promoted_steps` calls.
    """

    model: str
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARS)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT_CHARS)
    num_frames: int
    fps: int = Field(gt=0)
    image_key: str | None = None
    last_image_key: str | None = None
    mask_key: str | None = None
    video_key: str | None = None
    video_num_frames: int = 0
    continues: bool = False
    shots: tuple[ShotRequest, ...] = ()
    loras: tuple[LoraChoice, ...] = ()
    draft_steps: int | None = None
    draft_key: str | None = None
    promoted_steps: int = 0
    preview_every_steps: int | None = None
    webhook: WebhookTarget | None = None
    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def size(self) -> str:
        """Width and height as OpenAI writes them: `672x384`."""
        return f"{self.width}x{self.height}"

    @property
    def seconds(self) -> float:
        """Playing time in seconds."""
        return self.num_frames / self.fps

    @property
    def pixel_frames(self) -> int:
        """Width x height x frames of what is generated; frames of a continued source video do not count."""
        new_frames = self.num_frames - (self.video_num_frames if self.continues else 0)
        return self.width * self.height * new_frames

    @property
    def mode(self) -> Mode:
        """The kind of generation, by the inputs."""
        if self.shots:
            return Mode.FILM
        if self.video_key:
            return Mode.EXTENSION if self.continues else Mode.VIDEO_TO_VIDEO
        if self.num_frames == 1:
            return Mode.TEXT_TO_IMAGE
        return Mode.IMAGE_TO_VIDEO if self.image_key else Mode.TEXT_TO_VIDEO

    @property
    def result_name(self) -> str:
        """The name of the result file: a single frame is an image."""
        return "image.png" if self.num_frames == 1 else "video.mp4"
