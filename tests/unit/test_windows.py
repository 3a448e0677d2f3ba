"""Plans of windows for every length."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easyanimate.windows import ShotLength, Window, continues_windows, min_frames, plan_shots, plan_windows

lengths = st.integers(1, 2000)
windows = st.integers(1, 18).map(lambda k: 8 * k)
overlaps = st.integers(1, 4)


@st.composite
def plans(draw: st.DrawFn) -> tuple[int, int, int, tuple[Window, ...]]:
    """The joined length, the window, the overlap and a plan for them, of any kind."""
    window, overlap, end_image = draw(windows), draw(overlaps), draw(st.booleans())
    continues = draw(st.sampled_from((0, overlap)))
    num_frames = draw(st.integers(min_frames(continues=continues, end_image=end_image), 2000))
    plan = plan_windows(num_frames, window=window, overlap=overlap, continues=continues, end_image=end_image)
    return num_frames + continues, window, overlap, plan


@given(plans())
def test_every_length_comes_out_exactly(planned: tuple[int, int, int, tuple[Window, ...]]) -> None:
    total, _, _, plan = planned
    assert (plan[0].start, plan[-1].end) == (0, total)


@given(plans())
def test_each_window_starts_at_the_last_frames_of_the_one_before_and_adds_some(
    planned: tuple[int, int, int, tuple[Window, ...]],
) -> None:
    _, _, overlap, plan = planned
    for before, after in pairwise(plan):
        assert after.start == before.end - overlap
        assert before.start < after.start
        assert before.end < after.end


@given(plans())
def test_a_window_is_what_the_model_can_make_and_little_of_it_is_cut(
    planned: tuple[int, int, int, tuple[Window, ...]],
) -> None:
    total, window, overlap, plan = planned
    for part in plan:
        assert part.num_frames <= window
        assert part.num_frames % 8 == 0 or total == 1
        assert 0 <= part.num_frames - part.kept < 8
        assert part.kept > overlap or len(plan) == 1


@given(lengths, windows, overlaps)
def test_only_the_last_window_is_not_full(num_frames: int, window: int, overlap: int) -> None:
    plan = plan_windows(num_frames, window=window, overlap=overlap)
    assert all(part == Window(part.start, window, window) for part in plan[:-1])


@given(st.integers(8, 2000), windows, overlaps)
def test_a_window_that_ends_in_an_image_is_not_cut(num_frames: int, window: int, overlap: int) -> None:
    plan = plan_windows(num_frames, window=window, overlap=overlap, end_image=True)
    assert all(part.kept == part.num_frames for part in plan[1:])
    assert plan[-1].kept == plan[-1].num_frames


@given(st.integers(1, 200), windows, overlaps)
def test_an_extension_is_the_plan_of_the_whole_video_without_its_first_frames(
    num_frames: int, window: int, overlap: int
) -> None:
    going_on = plan_windows(num_frames, window=window, overlap=overlap, continues=overlap)
    assert going_on == plan_windows(num_frames + overlap, window=window, overlap=overlap)


@pytest.mark.parametrize(
    ("num_frames", "window", "overlap", "plan"),
    [
        (32, 16, 4, [(0, 16), (12, 16), (24, 8)]),
        (144, 72, 4, [(0, 72), (68, 72), (136, 8)]),
        (144, 144, 4, [(0, 144)]),
        (1, 144, 4, [(0, 1)]),
    ],
)
def test_where_upstream_makes_the_length_the_plan_is_upstreams(
    num_frames: int, window: int, overlap: int, plan: list[tuple[int, int]]
) -> None:
    windows = plan_windows(num_frames, window=window, overlap=overlap)
    assert [(part.start, part.num_frames) for part in windows] == plan
    assert all(part.kept == part.num_frames for part in windows)


def test_the_tail_that_upstream_loses_is_generated() -> None:
    assert plan_windows(143, window=72, overlap=4) == (Window(0, 72, 72), Window(68, 72, 72), Window(136, 8, 7))


def test_before_an_end_image_the_first_window_is_the_short_one() -> None:
    assert plan_windows(143, window=72, overlap=4, end_image=True) == (
        Window(0, 8, 7),
        Window(3, 72, 72),
        Window(71, 72, 72),
    )


@pytest.mark.parametrize(
    ("continues", "end_image", "smallest"), [(0, False, 1), (4, False, 1), (0, True, 8), (4, True, 4), (1, True, 7)]
)
def test_a_video_from_the_smallest_length_on_has_a_plan(continues: int, end_image: bool, smallest: int) -> None:
    assert min_frames(continues=continues, end_image=end_image) == smallest
    settings = {"window": 16, "overlap": continues or 4, "continues": continues, "end_image": end_image}
    assert plan_windows(smallest, **settings)[-1].end == smallest + continues
    with pytest.raises(ValueError, match=f"num_frames must be {smallest} or more"):
        plan_windows(smallest - 1, **settings)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"window": 12}, "a multiple of 8 frames, got 12"),
        ({"window": 0}, "a multiple of 8 frames, got 0"),
        ({"overlap": 0}, "overlap must be between 1 and 4, got 0"),
        ({"overlap": 5}, "overlap must be between 1 and 4, got 5"),
        ({"continues": 3}, "continues must be 0 or 4"),
        ({"num_frames": 0}, "num_frames must be 1 or more, got 0"),
        ({"num_frames": 7, "end_image": True}, "num_frames must be 8 or more with an end image, got 7"),
    ],
)
def test_what_has_no_plan_is_refused(change: dict[str, int], answer: str) -> None:
    with pytest.raises(ValueError, match=answer):
        plan_windows(**{"num_frames": 32, "window": 16, "overlap": 4, **change})


# ---- films


@st.composite
def films(draw: st.DrawFn) -> tuple[list[ShotLength], int, int]:
    """The lengths of some shots, the window and the overlap inside shots after a cut."""
    frames, shared = st.integers(1, 30).map(lambda k: 8 * k), st.integers(0, 4)
    shots = draw(st.lists(st.builds(ShotLength, frames, shared, st.booleans()), min_size=1, max_size=5))
    return shots, draw(windows), draw(overlaps)


@given(films())
def test_the_windows_of_a_film_cover_each_shot_exactly(film: tuple[list[ShotLength], int, int]) -> None:
    shots, window, overlap = film
    plan = plan_shots(shots, window=window, overlap=overlap)
    end = 0
    for index, shot in enumerate(shots):
        own = [each for each in plan if each.shot == index]
        assert own[0].start == end - (shot.overlap if index else 0)
        end += shot.num_frames
        assert own[-1].end == end


@given(films())
def test_each_window_of_a_film_keeps_the_frames_that_the_next_one_starts_with(
    film: tuple[list[ShotLength], int, int],
) -> None:
    shots, window, overlap = film
    for before, after in pairwise(plan_shots(shots, window=window, overlap=overlap)):
        shared = before.end - after.start
        assert 0 <= shared <= min(4, before.kept)
        assert after.end > before.end
        assert (shared == 0) == (after.shot != before.shot and shots[after.shot].overlap == 0)


@given(st.integers(1, 40), windows, overlaps, st.booleans())
def test_a_film_of_one_shot_has_the_windows_of_a_video(slices: int, window: int, overlap: int, end_image: bool) -> None:
    plan = plan_windows(8 * slices, window=window, overlap=overlap, end_image=end_image)
    assert plan_shots([ShotLength(8 * slices, 0, end_image)], window=window, overlap=overlap) == plan
    assert plan_shots([ShotLength(8 * slices, overlap, end_image)], window=window) == plan


def test_a_shot_without_a_plan_is_named() -> None:
    with pytest.raises(ValueError, match=r"shots\[1\]: num_frames must be 8 or more with an end image, got 4"):
        plan_shots([ShotLength(8), ShotLength(4, 0, end_image=True)], window=16)


@pytest.mark.parametrize("window", [0, 8, 16])
def test_a_window_continues_frames_in_a_longer_video_a_film_or_an_extension(window: int) -> None:
    longest = max(window, 1)
    assert not continues_windows(longest, window)
    assert continues_windows(longest + 1, window)
    assert continues_windows(longest, window, num_shots=2)
    assert continues_windows(longest, window, extends=True)


@pytest.mark.parametrize("window", [0, 4, 7, 12, 15])
def test_a_window_that_is_no_whole_number_of_slices_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match=f"a window must have a multiple of 8 frames, got {window}"):
        plan_windows(8, window=window)
