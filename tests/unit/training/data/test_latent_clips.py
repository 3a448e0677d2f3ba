"""The encoded clips of a training are those of the pipeline."""

from random import Random

import pytest
import torch

from easyanimate.training.data.latent_clips import ClipEncoder, LatentSource
from easyanimate.training.data.masks import mask_middle, random_condition_frames
from easyanimate.training.data.sources import DrawnClips
from easyanimate.training.run.configuration import BatchSettings, WorldSettings
from easyanimate.training.tasks.transformer_settings import MaskSettings
from easyanimate.vae import AutoencoderKLSlice

KIND = BatchSettings(frames=16, height=32, width=32, batch_size=3)


@pytest.fixture(scope="module")
def encoder() -> ClipEncoder:
    torch.manual_seed(0)
    return ClipEncoder(AutoencoderKLSlice(ch=8, ch_mult=(1, 1, 1, 2), layers_per_block=1, norm_num_groups=1))


def source(encoder: ClipEncoder, **masks: float) -> LatentSource:
    return LatentSource(
        DrawnClips(WorldSettings()), encoder, MaskSettings(**masks), lambda frames: frames[:, :, ::4, ::4]
    )


@pytest.mark.parametrize("frames", [8, 16, 24])
@pytest.mark.parametrize("ends", [(0, 0), (1, 0), (4, 0), (3, 3)])
def test_a_masked_clip_is_encoded_from_its_outer_slices(encoder, frames, ends):
    clip = torch.rand(1, 3, frames, 32, 32) * 2 - 1
    black = clip.clone()
    mask_middle(black, ends, value=-1.0)
    assert torch.allclose(encoder.masked(clip, ends), encoder.encode(black), atol=1e-5)


def test_the_mask_is_0_for_condition_frames(encoder):
    video = torch.ones(1, 3, 16, 32, 32)
    video[:, :, :2], video[:, :, -2:] = 0.0, 0.0
    assert torch.equal(encoder.mask((2, 2), 16, 32, 32), encoder.encode(video))


def test_an_image_has_no_condition_frames(encoder):
    batch = source(encoder, nothing=0.0).batch(KIND.model_copy(update={"frames": 1}), Random(0))
    assert not batch.has_start.any()
    assert batch.clips.shape == (3, 2, 4, 1, 4, 4)


def test_the_mask_settings_decide_which_clips_have_condition_frames(encoder):
    none = source(encoder, nothing=1.0, start=0.0, ends=0.0).batch(KIND, Random(0))
    every = source(encoder, nothing=0.0, start=1.0, ends=1.0).batch(KIND, Random(0))
    assert not none.has_start.any()
    assert every.has_start.all()
    assert torch.equal(none.masked[0], none.masked[1])
    assert not torch.equal(every.masked[0], every.masked[1])


def test_cached_clips_are_read_back_unchanged(encoder, tmp_path):
    kind = KIND.model_copy(update={"remembered": 64})
    first, second = source(encoder), source(encoder)
    first.cache((kind,), tmp_path, seed=0, process=0)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    second.cache((kind,), tmp_path, seed=0, process=0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    one, other = first.batch(kind, Random(5)), second.batch(kind, Random(5))
    assert torch.equal(one.clips, other.clips)
    assert one.captions == other.captions


@pytest.mark.parametrize("frames", [8, 16])
def test_one_to_four_frames_are_condition_frames(frames):
    random = Random(0)
    drawn = {random_condition_frames(frames, random) for _ in range(400)}
    assert {first for first, _ in drawn} == {1, 2, 3, 4}
    assert {last for _, last in drawn} == {0, 1, 2, 3, 4}


def test_the_share_of_clips_with_a_single_condition_frame():
    random = Random(1)
    drawn = [random_condition_frames(16, random, at_end=True, single=0.7) for _ in range(1000)]
    assert all(first == last for first, last in drawn)
    assert 0.7 < sum(first == 1 for first, _ in drawn) / 1000 < 0.85  # 0.7, and a quarter of the rest
    assert {random_condition_frames(16, random, at_end=False, single=1.0) for _ in range(20)} == {(1, 0)}
