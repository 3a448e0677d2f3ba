"""The schedulers and the qualities of a video, without torch.

`easyanimate.pipeline.schedulers.schedulers` builds the schedulers. A quality is a plan of the calls of the transformer.
"""

from dataclasses import dataclass
from typing import Literal, get_args

SCHEDULERS = (
    "euler",
    "euler_ancestral",
    "dpmpp_2m",
    "pndm",
    "ddim",
    "ddim_clipped",
    "unipc",
    "heun",
    "lcm",
)

Quality = Literal["exact", "fast"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
GUIDED_SHARE = 0.6  # of the calls, from the first; later ones refine what the earlier ones placed
REUSE_FROM, REUSE_UNTIL = 0.2, 0.9  # shares of the calls between which each second one reuses the blocks

_TECHNIQUES: dict[str, tuple[str, ...]] = {"exact": (), "fast": ("guidance_interval", "step_cache")}


def techniques_of(quality: str) -> tuple[str, ...]:
    """The lossy techniques of a quality; those of a quality of a later release are not known."""
    return _TECHNIQUES.get(quality, ())


@dataclass(frozen=True)
class StepPlan:
    """Which of the `calls` calls of the transformer are guided, and which reuse the blocks of the call before them.

    In the quality "exact" all calls are guided, and none reuses anything. "fast" follows a schedule of the number of
    the call alone. So a resumed run continues it, and equal requests have equal frames. The last `image_share` of the
    calls use the CLIP embedding.
    """

    quality: str
    calls: int
    image_share: float

    def uses_image(self, call: int) -> bool:
        """Whether this call uses the CLIP embedding."""
        return call >= self.calls * (1 - self.image_share)

    def is_guided(self, call: int) -> bool:
        """Whether both rows are computed, if the request is guided at all."""
        return self.quality != "fast" or call < self.calls * GUIDED_SHARE

    def context(self, call: int) -> tuple[bool, bool]:
        """Equal for calls with the same rows and the same text and image tokens."""
        return self.is_guided(call), self.uses_image(call)

    def reuses_blocks(self, call: int) -> bool:
        """Whether the change by all blocks after the first one is that of the call before."""
        if self.quality != "fast" or not self.calls * REUSE_FROM <= call < self.calls * REUSE_UNTIL:
            return False
        return call % 2 == 1 and self.context(call) == self.context(call - 1)

    def keeps_blocks(self, call: int) -> bool:
        """Whether the next call reuses the blocks of this one."""
        return call + 1 < self.calls and self.reuses_blocks(call + 1)

    def rows(self, *, guided: bool) -> int:
        """The rows of all calls that compute all blocks; `guided` is whether the request is guided."""
        computed = (call for call in range(self.calls) if not self.reuses_blocks(call))
        return sum(2 if guided and self.is_guided(call) else 1 for call in computed)
