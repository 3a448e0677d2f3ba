import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from easyanimate.errors import InvalidInput
from easyanimate.geometry import latent_frames, pixel_frames
from easyanimate.vae.slices import check_num_frames, split_slices, with_neighbours


def clip_of(frames: int) -> torch.Tensor:
    return torch.arange(frames).view(1, 1, frames, 1, 1)


def lengths(parts: tuple[torch.Tensor, ...]) -> list[int]:
    return [part.shape[2] for part in parts]


@given(st.integers(1, 400))
def test_slices_are_the_clip_in_order(frames):
    assert torch.equal(torch.cat(split_slices(clip_of(frames), 8), dim=2), clip_of(frames))


@given(st.integers(1, 400))
def test_slices_encode_to_the_latent_frames_that_geometry_promises(frames):
    assert sum(-(-length // 4) for length in lengths(split_slices(clip_of(frames), 8))) == latent_frames(frames)


@given(st.integers(1, 200))
def test_slices_of_latents_decode_to_the_frames_that_geometry_promises(frames):
    decoded = sum(1 if length == 1 else 4 * length for length in lengths(split_slices(clip_of(frames), 2)))
    assert decoded == pixel_frames(frames)


@given(st.integers(1, 400))
def test_a_length_is_accepted_exactly_when_it_comes_back(frames):
    try:
        check_num_frames(frames, legacy=False)
        accepted = True
    except InvalidInput:
        accepted = False
    assert accepted == (pixel_frames(latent_frames(frames)) == frames)


@pytest.mark.parametrize(("frames", "nearest"), [(0, "1"), (2, "1 or 8"), (12, "9 or 16"), (143, "137 or 144")])
def test_a_refused_length_names_the_nearest_that_work(frames, nearest):
    with pytest.raises(InvalidInput, match=f"{frames} frames .* {nearest}$"):
        check_num_frames(frames, legacy=False)


@pytest.mark.parametrize(("frames", "nearest"), [(8, "5 or 9"), (10, "9 or 13")])
def test_the_legacy_mode_accepts_one_frame_and_fours(frames, nearest):
    with pytest.raises(InvalidInput, match=f"{nearest}$"):
        check_num_frames(frames, legacy=True)


def test_a_slice_has_the_slices_beside_it_as_neighbours():
    a, b, c = split_slices(clip_of(6), 2)
    assert [tuple(id(part) for part in trio) for trio in with_neighbours([a, b, c])] == [
        tuple(id(part) for part in trio) for trio in ((None, a, b), (a, b, c), (b, c, None))
    ]


def test_the_lone_first_frame_of_an_odd_clip_is_no_neighbour():
    lone, a, b = split_slices(clip_of(5), 2)
    befores = [before for before, _, _ in with_neighbours([lone, a, b])]
    afters = [after for _, _, after in with_neighbours([lone, a, b])]
    assert (befores, [after is b for after in afters]) == ([None, None, a], [False, True, False])


def test_no_slices_have_no_contexts():
    assert list(with_neighbours([])) == []


def test_neighbours_are_read_one_slice_ahead_and_no_further():
    read = []

    def slices():
        for part in split_slices(clip_of(8), 2):
            read.append(part)
            yield part

    next(with_neighbours(slices()))
    assert len(read) == 2
