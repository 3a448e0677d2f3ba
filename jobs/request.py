"""What a caller asks for, complete and checked: the frozen request that travels from the door to the GPU."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

WEBHOOK_EVENTS = (
    "video.queued",
    "video.started",
    "video.progress",
    "video.completed",
    "video.failed",
    "video.cancelled",
)
DEFAULT_WEBHOOK_EVENTS = ("video.completed", "video.failed", "video.cancelled")
MAX_PROMPT_CHARS = 32_000


class WebhookTarget(BaseModel):
    """Where to report, about what, signed with which secret (`whsec_…`; the service's own when None)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    events: tuple[str, ...] = DEFAULT_WEBHOOK_EVENTS
    secret: SecretStr | None = None

    @field_serializer("secret", when_used="json")
    def _stored_in_full(self, secret: SecretStr | None) -> str | None:
        return secret.get_secret_value() if secret else None


class VideoRequest(BaseModel):
    """Everything it takes to make one video, with every default filled in.

    `width` and `height` in pixels, `fps` in frames per second, `seed` in 0..2**63-1. `image_key` names the start image
    in storage: an RGB PNG that was checked when it came in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARS)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT_CHARS)
    width: int
    height: int
    num_frames: int
    fps: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    seed: int
    image_key: str | None = None
    webhook: WebhookTarget | None = None
    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def seconds(self) -> float:
        """Playing time in seconds."""
        return self.num_frames / self.fps
