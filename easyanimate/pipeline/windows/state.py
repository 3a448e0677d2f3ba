"""The state of a video between two windows, what its windows share, and its callbacks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self, TypedDict

from PIL import Image
from torch import Tensor

from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.window_inputs import WindowInputs
from easyanimate.pipeline.schedulers.denoising_state import DenoisingState
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.step_callback import StepCallback
from easyanimate.pipeline.windows.still_scene import StillScene
from easyanimate.windows import Window

OnPhase = Callable[[str], None]
OnWindowStart = Callable[[int, Window], None]


@dataclass(frozen=True, eq=False)
class WindowState:
    """The state of a video between two windows or two steps, from which it resumes with equal frames.

    `index` is the next window. All frames before the start of that window have been returned. `tail` [overlap, H, W,
    3], uint8, are the frames from there on, if the window continues any. `generator_state` is the state of the CPU
    generator at the start of the window. `denoising` is the state of the window itself, if it has started. `picture` is
    that of the scene (`still_scene`), if it is kept.
    """

    index: int
    tail: Tensor | None
    generator_state: Tensor
    denoising: DenoisingState | None = None
    picture: Tensor | None = None


OnState = Callable[[Callable[[], WindowState], bool], None]


@dataclass(frozen=True, eq=False)
class FinishedWindow:
    """A window that an equal run has generated: its final frames, and what the next window needs of it.

    `frames` are pieces [F, H, W, 3], uint8, as they were returned. `held` [shared, H, W, 3] are the last kept frames,
    which the next window shares. `generator_state` is the state of the CPU generator at its end.
    """

    frames: Iterator[Tensor]
    held: Tensor
    generator_state: Tensor


FindWindow = Callable[[WindowInputs], FinishedWindow | None]
OnFinished = Callable[[Tensor, Tensor], None]


class WindowCallbacks(TypedDict, total=False):
    """The callbacks of a long video or a film. An exception in one stops it.

    `on_step` is the step callback of the pipeline. `on_phase` receives the phases of each window. `on_window_start`
    receives the index of a window and the window. `on_window_end` receives the state after each window except the last.
    `on_held_frames` is called after each slice of a still window, whose frames are returned when it is complete.
    `on_state(capture, is_last)` is called after each step; `capture()` returns the state at that step.
    `find_window` returns a window that an equal run has generated, which is used instead of a new one.
    `on_finished(held, generator_state)` is called after all frames of a window that was generated, with what
    `FinishedWindow` has beside the frames.
    """

    on_window_start: OnWindowStart | None
    on_window_end: Callable[[WindowState], None] | None
    on_state: OnState | None
    on_step: StepCallback | None
    on_phase: OnPhase | None
    on_held_frames: Callable[[], None] | None
    find_window: FindWindow | None
    on_finished: OnFinished | None


@dataclass(frozen=True, eq=False)
class WindowPart:
    """What the windows of one shot share: the request, the end image of the last one, and the random numbers.

    A video of one prompt is one part. A draft ends after `draft_steps` steps.
    """

    request: Generation
    last_image: Image.Image | None
    draws: Draws
    draft_steps: int | None = None


@dataclass(eq=False)
class WindowFlow:
    """What flows from one window into the next: the last frames, and the scene that is kept."""

    tail: Tensor | None
    scene: StillScene

    @classmethod
    def begin(cls, tail: Tensor | None, scene: StillScene, resume: WindowState | None) -> Self:
        """The flow into the first window, from `tail` and a copy of `scene`, or as it was at `resume`."""
        if resume is None:
            return cls(tail, StillScene(scene.picture, is_on=scene.is_on))
        return cls(resume.tail, StillScene(resume.picture, is_on=scene.is_on))

    def state(self, index: int, draws: Draws) -> WindowState:
        """The state before the window `index`."""
        return WindowState(index, self.tail, draws.generator.get_state(), picture=self.scene.picture)
