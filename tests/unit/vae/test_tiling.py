import pytest
import torch

from easyanimate.errors import InvalidInput
from easyanimate.vae.tiling import Tiles, blend_corner, plan_tiles, run_tiled

_, DECODING = plan_tiles(384, 0.25)


def test_production_windows_are_those_of_the_published_model():
    assert plan_tiles(384, 0.25) == (Tiles(384, 288, 12, 36), Tiles(48, 36, 96, 288))


def test_windows_without_an_overlap_do_not_share_pixels():
    assert plan_tiles(384, 0.0) == (Tiles(384, 384, 0, 48), Tiles(48, 48, 0, 384))


@pytest.mark.parametrize(
    ("latents", "windows"),
    [
        (48, [48, 12]),
        (64, [48, 28]),
        (72, [48, 36]),
        (84, [48, 48, 12]),
        (90, [48, 48, 18]),
        (96, [48, 48, 24]),
        (120, [48, 48, 48, 12]),
        (126, [48, 48, 48, 18]),
        (160, [48, 48, 48, 48, 16]),
    ],
)
def test_windows_along_an_axis_are_clipped_at_the_border(latents, windows):
    assert [len(range(latents)[span]) for span in DECODING.spans(latents)] == windows


@pytest.mark.parametrize(("size", "tiled"), [((48, 48), False), ((48, 49), True), ((49, 10), True)])
def test_tiles_are_used_strictly_above_one_window(size, tiled):
    assert DECODING.needed_for(torch.empty(1, 1, 1, *size)) is tiled


def test_tiling_a_pointwise_function_changes_nothing():
    picture = torch.randn(1, 2, 3, 23, 31)
    torch.testing.assert_close(run_tiled(picture, lambda x: x * 2 + 1, Tiles(8, 6, 2, 6)), picture * 2 + 1)


def test_blending_fades_linearly_from_the_tile_above():
    tiles = iter([torch.zeros(1, 1, 1, 4, 1), torch.ones(1, 1, 1, 4, 1)])
    blended = run_tiled(torch.empty(1, 1, 1, 4, 1), lambda _: next(tiles), Tiles(4, 2, 2, 2))
    assert blended.flatten().tolist() == [0.0, 0.0, 0.0, 0.5]


def test_tiling_does_not_write_to_its_input():
    picture = torch.randn(1, 1, 1, 12, 12)
    before = picture.clone()
    run_tiled(picture, lambda x: x + 1, Tiles(8, 6, 2, 6))
    assert torch.equal(picture, before)


@pytest.mark.parametrize(("size", "overlap"), [(40, 0.3), (384, 1.0), (384, -0.5), (0, 0.25)])
def test_windows_that_miss_whole_latents_are_refused(size, overlap):
    with pytest.raises(InvalidInput, match="whole latents"):
        plan_tiles(size, overlap)


@pytest.mark.parametrize("frames", [2, 5, 6])
def test_tiling_slice_by_slice_equals_tiling_the_whole_clip(tiling_vae, latents, frames):
    whole = run_tiled(latents(frames, 5, 7), lambda z: untiled_decode(tiling_vae, z), tiling_vae.decoding_tiles)
    pieces = list(tiling_vae.decode_slices(latents(frames, 5, 7)))
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole, atol=2e-5, rtol=1e-4)


def untiled_decode(vae, latents):
    assert max(latents.shape[-2:]) <= vae.decoding_tiles.window
    return vae.decode(latents).sample


@pytest.mark.parametrize("corner", [False, True])
def test_the_extra_corner_tile_touches_the_lower_right_only(tiling_vae, latents, corner):
    z = latents(2, 5, 7)
    plain, mixed = tiling_vae.decode(z).sample, tiling_vae.decode(z, extra_corner_tile=True).sample
    different = (plain != mixed)[..., -32:, -32:].any() if corner else (plain != mixed)[..., :-32, :-32].any()
    assert bool(different) is corner


def test_a_corner_fades_in_from_its_upper_and_left_edge():
    image = blend_corner(torch.zeros(1, 4, 5), torch.ones(1, 3, 3))
    expected = torch.zeros(4, 5)
    expected[1:, 2:] = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 1.0]])
    assert torch.equal(image[0], expected)
