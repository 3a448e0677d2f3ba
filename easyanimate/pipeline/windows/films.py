"""Films: shots with prompts, seeds and images of their own in one video."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

from PIL import Image
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.images import as_image
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.stages import ClipStages
from easyanimate.pipeline.windows.long_video import generate_parts
from easyanimate.pipeline.windows.state import WindowCallbacks, WindowFlow, WindowPart, WindowState
from easyanimate.pipeline.windows.still_scene import UNCHANGED, StillScene
from easyanimate.windows import OVERLAPS, ShotLength, Window


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """One shot of a film, checked when created: InvalidInput says what would work.

    `generation` describes the whole shot; its `num_frames` are the frames of the shot. Its random numbers come from
    `seed`. `overlap` is how many frames of the shot before it continues from, 1 to 4, or 0 for a cut. A start image
    needs a cut. `last_image` is the end image, also of a shot that continues.
    """

    generation: Generation
    seed: int
    overlap: int = 0
    last_image: Image.Image | None = None

    def __post_init__(self) -> None:
        request, end_image = self.generation, self.last_image
        if request.video is not None or request.context_frames is not None:
            raise InvalidInput("a shot has no video or context_frames; it has an image, or continues the shot before")
        if self.overlap not in (0, *OVERLAPS):
            raise InvalidInput(f"overlap must be between 0 and {OVERLAPS[-1]}, got {self.overlap}")
        if self.overlap and request.image is not None:
            raise InvalidInput(f"a shot with an image begins with a cut: overlap must be 0, got {self.overlap}")
        Draws.from_seed(self.seed)
        chosen = request.last_image if end_image is None else as_image(end_image, "last_image")
        object.__setattr__(self, "last_image", chosen)

    @property
    def length(self) -> ShotLength:
        """What `easyanimate.windows.plan_shots` needs of the shot."""
        return ShotLength(self.generation.num_frames, self.overlap, self.last_image is not None)


def generate_film(
    pipe: ClipStages,
    shots: Sequence[Shot],
    plan: Sequence[Window],
    *,
    scene: StillScene = UNCHANGED,
    resume: WindowState | None = None,
    **callbacks: Unpack[WindowCallbacks],
) -> Iterator[Tensor]:
    """Generates the frames [F', H, W, 3] of a film, uint8 on the CPU, in order and as soon as they are final.

    `plan` is that of `plan_shots` for the lengths of `shots`. A film of one shot equals the video of its request, and
    shots after a cut equal separate videos. Each shot is requested from the sequence when it begins, so that a sequence
    may read its images then. `scene` keeps each still shot as its first window shows it. Raises InvalidInput, which
    names the shot, before the first window; all else is as in `generate_windows`.
    """
    check_film(shots, plan)

    def begin(index: int) -> WindowPart:
        shot = shots[index]
        return WindowPart(shot.generation, shot.last_image, Draws.from_seed(shot.seed))

    flow = WindowFlow.begin(None, scene, resume)
    return (yield from generate_parts(pipe, begin, plan, flow, resume, callbacks))


def check_film(shots: Sequence[Shot], plan: Sequence[Window]) -> None:
    """InvalidInput unless all shots have one size and a start for their end image, and `plan` is that of the shots."""
    end, size = 0, None
    for index, shot in enumerate(shots):
        request = shot.generation
        size = size or (request.width, request.height)
        if (request.width, request.height) != size:
            wrong = f"{request.width}x{request.height}"
            raise InvalidInput(f"shots[{index}] is {wrong}, and the first shot {size[0]}x{size[1]}; use one size")
        if shot.last_image is not None and request.image is None and not (index and shot.overlap):
            raise InvalidInput(f"shots[{index}] has an end image and no start; it needs an image, or an overlap")
        windows = [window for window in plan if window.shot == index]
        first = end - (shot.overlap if index else 0)
        end += request.num_frames
        if not windows or (windows[0].start, windows[-1].end) != (first, end):
            raise InvalidInput(f"the plan is not that of shots[{index}]; make it with plan_shots")
    if not shots or plan[-1].shot != len(shots) - 1:
        raise InvalidInput(f"the plan is not that of {len(shots)} shots; make it with plan_shots")
