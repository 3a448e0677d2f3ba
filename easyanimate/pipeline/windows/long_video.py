"""Streams long videos and films: a window starts with the last frames of the previous one (spec: 9)."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.images import Frames, as_images, count_frames, to_rgb
from easyanimate.pipeline.inputs.prompts import TextContext
from easyanimate.pipeline.inputs.window_inputs import WindowInputs
from easyanimate.pipeline.schedulers.denoising_state import CaptureState, Continuation, DenoisingState
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.schedulers.schedulers import num_timesteps
from easyanimate.pipeline.stages import ClipStages
from easyanimate.pipeline.step_callback import StepCallback
from easyanimate.pipeline.windows.joining import join, with_picture
from easyanimate.pipeline.windows.state import (
    OnPhase,
    OnState,
    WindowCallbacks,
    WindowFlow,
    WindowPart,
    WindowState,
)
from easyanimate.pipeline.windows.still_scene import UNCHANGED, StillScene
from easyanimate.windows import Window


def generate_windows(
    pipe: ClipStages,
    request: Generation,
    plan: Sequence[Window],
    draws: Draws,
    *,
    previous_frames: Frames | None = None,
    scene: StillScene = UNCHANGED,
    resume: WindowState | None = None,
    draft_steps: int | None = None,
    **callbacks: Unpack[WindowCallbacks],
) -> Iterator[Tensor]:
    """Generates the frames [F', H, W, 3] of `plan`, uint8 on the CPU, in order and as soon as they are final.

    `request` describes the whole video; `num_frames` comes from the plan, and the end image is that of the last window.
    `previous_frames` are the last frames of another video of the same size, which this video extends. With an end image
    they can also be `request.context_frames`. The plan must then be made with `continues`. The first returned frames
    replace these frames, and the very first one equals the first of them. `resume` is a state of the same video.
    `scene` keeps a still scene as the first window shows it, or as its own picture, which is that of the other video.
    Without it, each window continues from the unchanged frames of the one before, as upstream does.
    With `draft_steps` a video of one window ends after so many calls of the transformer, and its frames are those of
    the estimated clean latents. The state that `on_state` receives then is where the whole video continues.

    Closing the iterator stops the video. Memory is that of one window.
    Raises the errors of the pipeline, InvalidInput for frames of another size, and StateMismatch if the started window
    of `resume` differs. No frame of that window has been returned then, so it can start again.
    """
    _check_plan(request, plan)
    _check_draft(request, plan, draft_steps)
    tail = _first_tail(request, previous_frames) if resume is None else None
    part = WindowPart(request, request.last_image, draws, draft_steps)
    flow = WindowFlow.begin(tail, scene, resume)
    return (yield from generate_parts(pipe, lambda _shot: part, plan, flow, resume, callbacks))


@torch.no_grad()
def generate_parts(
    pipe: ClipStages,
    begin: Callable[[int], WindowPart],
    plan: Sequence[Window],
    flow: WindowFlow,
    resume: WindowState | None,
    callbacks: WindowCallbacks,
) -> Iterator[Tensor]:
    """Generates all windows of `plan`; `begin` returns the part of a shot when its first window begins."""
    on_window_start, on_window_end = callbacks.get("on_window_start"), callbacks.get("on_window_end")
    first = 0 if resume is None else resume.index
    part = begin(plan[first].shot)
    if resume is not None:
        part.draws.generator.set_state(resume.generator_state)
    maker = _WindowMaker(pipe, callbacks)
    try:
        for i in range(first, len(plan)):
            following = plan[i + 1] if i + 1 < len(plan) else None
            if on_window_start is not None:
                on_window_start(i, plan[i])
            is_last = following is None or following.shot != plan[i].shot
            shared = 0 if following is None else plan[i].end - following.start
            state = flow.state(i, part.draws)
            window = _as_window(part, plan[i], flow.scene.context_frames(flow.tail), is_last=is_last)
            inputs = WindowInputs(window, plan[i].kept, shared, state.generator_state, state.picture, state.tail)
            started = resume.denoising if resume is not None and resume.index == i else None
            continuation = _continuation(part, state, started, callbacks.get("on_state"))
            yield from maker.frames(part, inputs, flow, continuation)
            if following is None:
                return
            if is_last:
                part = begin(following.shot)
                flow.scene.begin_shot()
            if on_window_end is not None:
                on_window_end(flow.state(i + 1, part.draws))
    finally:
        pipe.maybe_free_model_hooks()


class _WindowMaker:
    """Makes the windows of one video, or takes those that an equal run has generated. Keeps the encoded prompts."""

    def __init__(self, pipe: ClipStages, callbacks: WindowCallbacks) -> None:
        self._pipe = pipe
        self._set_phase = callbacks.get("on_phase") or (lambda phase: None)
        self._on_step = callbacks.get("on_step")
        self._on_held_frames = callbacks.get("on_held_frames") or (lambda: None)
        self._find_window = callbacks.get("find_window") or (lambda inputs: None)
        self._on_finished = callbacks.get("on_finished") or (lambda held, generator_state: None)
        self._prompts: list[str] = []
        self._text: TextContext | None = None

    def frames(
        self, part: WindowPart, inputs: WindowInputs, flow: WindowFlow, continuation: Continuation
    ) -> Iterator[Tensor]:
        """Yields the final frames of a window. The last ones, which the next window shares, are the tail of `flow`."""
        final = self._final_frames(part, inputs, flow, continuation)
        held = yield from (with_picture(final, flow.scene) if flow.scene.wants_window else final)
        flow.tail = held if inputs.shared else None

    def _final_frames(
        self, part: WindowPart, inputs: WindowInputs, flow: WindowFlow, continuation: Continuation
    ) -> Generator[Tensor, None, Tensor]:
        """Yields the final frames of a window, and returns the last ones."""
        finished = self._find_window(inputs)
        if finished is not None:
            yield from finished.frames
            part.draws.generator.set_state(finished.generator_state)
            return finished.held
        self._set_phase("encoding")
        text = self._encoded(inputs.request)
        pieces = _generate_window(
            self._pipe, inputs.request, text, part.draws, self._on_step, self._set_phase, continuation
        )
        if flow.scene.is_still and flow.tail is not None:
            pieces = iter(flow.scene.window(self._whole(pieces), len(flow.tail)).split(FRAMES_PER_SLICE))
        held = yield from join(pieces, flow.tail, inputs.kept, inputs.shared)
        self._on_finished(held, part.draws.generator.get_state())
        return held

    def _whole(self, pieces: Iterator[Tensor]) -> Tensor:
        """All frames [F, H, W, 3] of a window."""
        held = []
        for piece in pieces:
            held.append(piece)
            self._on_held_frames()
        return torch.cat(held)

    def _encoded(self, request: Generation) -> TextContext:
        """The encoded prompts, which windows with equal prompts share."""
        if self._text is None or request.prompts != self._prompts:
            self._text, self._prompts = self._pipe.encode_text(request), request.prompts
        return self._text


def _check_plan(request: Generation, plan: Sequence[Window]) -> None:
    if not plan:
        raise InvalidInput("a plan needs at least one window")
    if request.video is not None and len(plan) > 1:
        raise InvalidInput(f"video-to-video generates one window; request at most {plan[0].num_frames} frames")


def _check_draft(request: Generation, plan: Sequence[Window], draft_steps: int | None) -> None:
    if draft_steps is None:
        return
    if len(plan) > 1:
        raise InvalidInput(f"a draft has one window; request at most {plan[0].num_frames} frames")
    if request.quality != "exact":
        raise InvalidInput('a draft needs the quality "exact"; a faster one does not continue after each step')
    steps = num_timesteps(request.scheduler, request.num_inference_steps, request.strength)
    if not 1 <= draft_steps < steps:
        raise InvalidInput(f"draft_steps must be between 1 and {steps - 1}, got {draft_steps}")


def _first_tail(request: Generation, previous_frames: Frames | None) -> Tensor | None:
    """The frames [n, H, W, 3] that the video continues, if there are any."""
    if previous_frames is not None and (request.context_frames is not None or request.image is not None):
        raise InvalidInput("previous_frames cannot be combined with image or context_frames")
    frames = request.context_frames if previous_frames is None else previous_frames
    if frames is None:
        return None
    images = [to_rgb(image) for image in as_images(frames, count_frames(frames, "previous_frames"))]
    for image in images:
        if image.size != (request.width, request.height):
            size = f"{image.width}x{image.height}"
            raise InvalidInput(f"the video to extend is {size}, not {request.width}x{request.height}; request its size")
    return torch.from_numpy(np.stack([np.asarray(image) for image in images]))


def _as_window(part: WindowPart, window: Window, tail: Tensor | None, *, is_last: bool) -> Generation:
    """The request of one window: the image encoder reads the oldest frame of the tail (spec: pipelines 9)."""
    return replace(
        part.request,
        num_frames=window.num_frames,
        image=part.request.image if tail is None else None,
        context_frames=tail,
        last_image=part.last_image if is_last else None,
    )


def _continuation(
    part: WindowPart, start: WindowState, started: DenoisingState | None, on_state: OnState | None
) -> Continuation:
    """The state that the steps of a window resume from, and the callback that receives new states."""
    if on_state is None:
        return Continuation(started, draft_steps=part.draft_steps)

    def capture(capture_denoising: CaptureState) -> WindowState:
        return replace(start, denoising=capture_denoising())

    return Continuation(
        started,
        lambda capture_denoising, is_last: on_state(partial(capture, capture_denoising), is_last),
        part.draft_steps,
    )


def _generate_window(
    pipe: ClipStages,
    request: Generation,
    text: TextContext,
    draws: Draws,
    on_step: StepCallback | None,
    set_phase: OnPhase,
    continuation: Continuation,
) -> Iterator[Tensor]:
    """Generates the frames of one window, a few at a time. Its latents and conditions are dropped at the end."""
    latents = pipe.make_latents(request, text, draws, on_step, lambda: set_phase("denoising"), continuation)
    set_phase("decoding")
    yield from pipe.decode_frames(latents, draws, smooth=request.smooth, sample_posterior=request.sample_posterior)
