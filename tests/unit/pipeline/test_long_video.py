"""Videos of many windows: exact lengths, smooth joins, memory of one window, and resuming."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.errors import Interrupted, InvalidInput
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation, WindowState, generate_windows
from easyanimate.pipeline.decoding import to_uint8
from easyanimate.pipeline.windows.joining import blend, join
from easyanimate.pipeline.windows.still_scene import StillScene
from easyanimate.windows import Window, plan_windows

SETTINGS: dict[str, Any] = {
    "prompt": "a cat",
    "height": 32,
    "width": 32,
    "num_frames": 8,
    "num_inference_steps": 1,
    "guidance_scale": 1.0,
}
TAIL = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

Frames = Callable[..., Tensor]


@pytest.fixture
def stream(pipe: EasyAnimatePipeline) -> Callable[..., Iterator[Tensor]]:
    """The frames of a video of windows of 8, one piece after the other."""

    def run(num_frames: int, seed: int = 0, tail: Tensor | None = None, request: Any = None, **more: Any) -> Any:
        continues, settings = (0 if tail is None else 4), {**SETTINGS, **(request or {})}
        plan = plan_windows(num_frames, window=8, overlap=4, continues=continues, end_image="last_image" in settings)
        return generate_windows(pipe, Generation(**settings), plan, Draws.from_seed(seed), previous_frames=tail, **more)

    return run


@pytest.fixture
def frames_of(stream: Callable[..., Iterator[Tensor]]) -> Frames:
    """All frames of a video of windows of 8."""
    return lambda *args, **more: torch.cat(list(stream(*args, **more)))


@pytest.mark.parametrize("num_frames", [1, 3, 8, 9, 12, 15])
def test_a_video_has_exactly_the_requested_frames(num_frames: int, frames_of: Frames) -> None:
    frames = frames_of(num_frames)
    assert (frames.shape, frames.dtype) == ((num_frames, 32, 32, 3), torch.uint8)


def test_one_window_is_a_single_call(pipe: EasyAnimatePipeline) -> None:
    request = {**SETTINGS, "num_frames": 16}
    whole = pipe(**request, generator=3, output_type="pt").frames[0]
    streamed = generate_windows(pipe, Generation(**request), [Window(0, 16, 16)], Draws.from_seed(3))
    assert torch.equal(torch.cat(list(streamed)), to_uint8(whole.permute(0, 2, 3, 1)))


def test_a_longer_video_begins_with_the_same_frames(frames_of: Frames) -> None:
    assert torch.equal(frames_of(20)[:12], frames_of(16)[:12])  # the last 4 of 16 are faded into more frames of 20


def test_an_extension_starts_exactly_with_the_old_frames(frames_of: Frames) -> None:
    frames = frames_of(6, tail=TAIL)
    assert len(frames) == 4 + 6
    assert torch.equal(frames[0], TAIL[0])


def test_an_extension_equals_a_later_window(pipe: EasyAnimatePipeline, frames_of: Frames) -> None:
    states: list[WindowState] = []
    whole = frames_of(16, on_window_end=states.append)
    draws = Draws.from_seed(0)
    draws.generator.set_state(states[0].generator_state)
    plan = plan_windows(8, window=8, overlap=4, continues=4)
    again = generate_windows(pipe, Generation(**SETTINGS), plan, draws, previous_frames=states[0].tail)
    assert torch.equal(torch.cat(list(again)), whole[4:])


def test_context_frames_can_be_combined_with_an_end_image(frames_of: Frames) -> None:
    settings = {"context_frames": TAIL, "last_image": Image.new("RGB", (32, 32), "red")}
    assert len(frames_of(12, request=settings)) == 12


def test_each_window_receives_the_oldest_shared_frame_and_the_last_one_the_end_image(
    pipe: EasyAnimatePipeline, frames_of: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Generation] = []
    make = pipe.make_latents
    monkeypatch.setattr(
        pipe, "make_latents", lambda request, *rest: (requests.append(request), make(request, *rest))[1]
    )
    image, end = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")
    frames = frames_of(16, request={"image": image, "last_image": end})
    assert [(one.image, one.last_image) for one in requests] == [(image, None), (None, None), (None, end)]
    assert all(one.context_frames is not None and len(one.context_frames) == 4 for one in requests[1:])
    assert torch.equal(frames[4], requests[1].context_frames[0])  # type: ignore[index]


def test_a_window_fades_in_from_weight_zero() -> None:
    old, new = torch.full((4, 1, 1, 3), 100, dtype=torch.uint8), torch.full((6, 1, 1, 3), 200, dtype=torch.uint8)
    assert blend(old, new, 0)[:, 0, 0, 0].tolist() == [100, 125, 150, 175, 200, 200]


@pytest.mark.parametrize("sizes", [[8], [4, 4], [1, 7], [3, 3, 2], [1] * 8])
def test_a_join_does_not_depend_on_the_pieces(sizes: list[int]) -> None:
    frames = torch.arange(8 * 3, dtype=torch.uint8).view(8, 1, 1, 3)
    tail = frames[:3] + 100

    def joined(parts: list[int]) -> Tensor:
        window = join(iter(frames.split(parts)), tail, 7, 4)
        out = []
        while True:
            try:
                out.append(next(window))
            except StopIteration as end:
                return torch.cat([*out, end.value])

    assert torch.equal(joined(sizes), joined([8]))
    assert len(joined(sizes)) == 7


@pytest.mark.slow
def test_twenty_windows_need_no_more_memory_than_two(
    stream: Callable[..., Iterator[Tensor]], peak_bytes: Callable[..., int]
) -> None:
    def drain(num_frames: int) -> None:
        for _ in stream(num_frames):
            pass

    two, twenty = 8 + 4, 8 + 19 * 4
    assert peak_bytes(drain, twenty) <= 1.01 * peak_bytes(drain, two)


def test_frames_come_before_the_next_window_begins(stream: Callable[..., Iterator[Tensor]]) -> None:
    begun: list[int] = []
    frames = stream(16, on_window_start=lambda index, _window: begun.append(index))
    next(frames)
    assert begun == [0]


def test_a_video_resumes_after_any_window_with_equal_frames(
    stream: Callable[..., Iterator[Tensor]], frames_of: Frames
) -> None:
    states: list[WindowState] = []
    whole = frames_of(16, seed=5, on_window_end=states.append)
    assert [state.index for state in states] == [1, 2]
    for state in states:
        start = 4 * state.index
        assert torch.equal(frames_of(16, seed=99, resume=state), whole[start:])


def test_it_stops_between_steps_and_leaves_no_trace(frames_of: Frames) -> None:
    observed: list[int] = []

    def stop(_pipe: Any, index: int, _timestep: Any, _kwargs: Any) -> dict[str, Tensor]:
        observed.append(index)
        if len(observed) == 3:
            raise Interrupted("enough")
        return {}

    before = frames_of(12)
    with pytest.raises(Interrupted):
        frames_of(12, seed=1, request={"num_inference_steps": 2}, on_step=stop)
    assert observed == [0, 1, 0]
    assert torch.equal(frames_of(12), before)


def test_the_phases_are_reported_in_each_window(frames_of: Frames) -> None:
    phases: list[str] = []
    frames_of(12, on_phase=phases.append)
    assert phases == ["encoding", "denoising", "decoding"] * 2


@pytest.mark.parametrize(
    ("settings", "tail", "answer"),
    [
        ({}, TAIL[:, :16], "the video to extend is 32x16, not 32x32"),
        ({"image": Image.new("RGB", (8, 8))}, TAIL, "cannot be combined"),
        ({"context_frames": TAIL}, TAIL, "cannot be combined"),
        ({}, TAIL[:0], "at least one frame"),
        ({"video": torch.zeros(8, 8, 8, 3, dtype=torch.uint8), "strength": 0.9, "num_inference_steps": 2}, None, "one"),
    ],
)
def test_what_does_not_go_together_is_refused(
    settings: dict[str, Any], tail: Tensor | None, answer: str, frames_of: Frames
) -> None:
    with pytest.raises(InvalidInput, match=answer):
        frames_of(12, tail=tail, request=settings)


def test_a_plan_of_nothing_is_refused(pipe: EasyAnimatePipeline) -> None:
    with pytest.raises(InvalidInput, match="at least one window"):
        next(generate_windows(pipe, Generation(**SETTINGS), [], Draws.from_seed(0)))


def test_a_kept_scene_begins_like_any_other(frames_of: Frames) -> None:
    scene = StillScene(is_on=True)
    assert torch.equal(frames_of(16, scene=scene)[:4], frames_of(16)[:4])  # the next 4 are faded into other frames
    assert torch.equal(frames_of(8, scene=scene), frames_of(8))
    assert scene.picture is None  # that of the caller is not changed
    assert torch.equal(frames_of(20, scene=StillScene(TAIL[0].float())), frames_of(20))  # it is not on


def test_a_still_scene_is_kept_and_resumes_with_equal_frames(frames_of: Frames) -> None:
    first, states = frames_of(8), list[WindowState]()
    kept: dict[str, Any] = {"tail": first[-4:], "scene": StillScene(first.float().mean(0), is_on=True)}
    whole = frames_of(20, on_window_end=states.append, **kept)
    assert not torch.equal(whole, frames_of(20, tail=first[-4:]))
    assert torch.equal(states[1].picture, kept["scene"].picture)  # type: ignore[arg-type]
    again = frames_of(20, **kept | {"scene": StillScene(is_on=True)}, resume=states[1])
    assert torch.equal(again, whole[8:])


def test_the_picture_of_a_scene_comes_from_all_frames_of_its_first_window(frames_of: Frames) -> None:
    states: list[WindowState] = []
    whole = frames_of(16, scene=StillScene(is_on=True), on_window_end=states.append)
    picture = states[0].picture
    assert picture is not None
    first = frames_of(8)
    assert torch.equal(whole[:4], first[:4])
    assert not picture.numel() or torch.equal(picture, first.float().mean(0))


def test_a_still_window_can_be_stopped_between_its_slices(pipe: EasyAnimatePipeline) -> None:
    scene, slices = StillScene(torch.zeros(32, 32, 3), is_on=True), list[None]()

    def stop_at_second() -> None:
        slices.append(None)
        if len(slices) == 2:
            raise Interrupted

    plan, draws = plan_windows(24, window=16, overlap=4, continues=4), Draws.from_seed(0)
    frames = generate_windows(
        pipe, Generation(**SETTINGS), plan, draws, previous_frames=TAIL, scene=scene, on_held_frames=stop_at_second
    )
    with pytest.raises(Interrupted):
        next(frames)
