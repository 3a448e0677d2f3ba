"""What a transformer is told in training is what it is told in use."""

from random import Random

import pytest
import torch

from easyanimate.training.data.latent_clips import LatentSource, VaeReader
from easyanimate.training.data.masks import keep_ends, random_ends
from easyanimate.training.data.sources import DrawnClips
from easyanimate.training.run.configuration import BatchSettings, WorldSettings
from easyanimate.training.tasks.transformer_settings import MaskSettings
from easyanimate.vae import AutoencoderKLSlice

KIND = BatchSettings(frames=16, height=32, width=32, batch_size=3)


@pytest.fixture(scope="module")
def reader() -> VaeReader:
    torch.manual_seed(0)
    return VaeReader(AutoencoderKLSlice(ch=8, ch_mult=(1, 1, 1, 2), layers_per_block=1, norm_num_groups=1))


def source(reader: VaeReader, **masks: float) -> LatentSource:
    return LatentSource(
        DrawnClips(WorldSettings()), reader, MaskSettings(**masks), lambda frames: frames[:, :, ::4, ::4]
    )


@pytest.mark.parametrize("frames", [8, 16, 24])
@pytest.mark.parametrize("ends", [(0, 0), (1, 0), (4, 0), (3, 3)])
def test_outer_slices_alone_make_the_whole_masked_clip(reader, frames, ends):
    clip = torch.rand(1, 3, frames, 32, 32) * 2 - 1
    black = clip.clone()
    keep_ends(black, ends, other=-1.0)
    assert torch.allclose(reader.masked(clip, ends), reader.encode(black), atol=1e-5)


def test_the_mask_is_0_where_frames_are_given(reader):
    video = torch.ones(1, 3, 16, 32, 32)
    video[:, :, :2], video[:, :, -2:] = 0.0, 0.0
    assert torch.equal(reader.mask((2, 2), 16, 32, 32), reader.encode(video))


def test_a_picture_is_given_nothing(reader):
    batch = source(reader, nothing=0.0).batch(KIND.model_copy(update={"frames": 1}), Random(0))
    assert not batch.has_start.any()
    assert batch.clips.shape == (3, 2, 4, 1, 4, 4)


def test_text_alone_gives_nothing_and_starts_give_all_clips_something(reader):
    none = source(reader, nothing=1.0, start=0.0, ends=0.0).batch(KIND, Random(0))
    every = source(reader, nothing=0.0, start=1.0, ends=1.0).batch(KIND, Random(0))
    assert not none.has_start.any()
    assert every.has_start.all()
    assert torch.equal(none.masked[0], none.masked[1])
    assert not torch.equal(every.masked[0], every.masked[1])


def test_remembered_clips_are_read_back_the_same(reader, tmp_path):
    kind = KIND.model_copy(update={"remembered": 64})
    first, second = source(reader), source(reader)
    first.remember((kind,), tmp_path, seed=0, process=0)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    second.remember((kind,), tmp_path, seed=0, process=0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    one, other = first.batch(kind, Random(5)), second.batch(kind, Random(5))
    assert torch.equal(one.clips, other.clips)
    assert one.captions == other.captions


@pytest.mark.parametrize("frames", [8, 16])
def test_one_to_four_frames_are_given(frames):
    random = Random(0)
    drawn = {random_ends(frames, random) for _ in range(400)}
    assert {first for first, _ in drawn} == {1, 2, 3, 4}
    assert {last for _, last in drawn} == {0, 1, 2, 3, 4}


def test_as_many_clips_as_asked_for_are_given_one_frame_alone():
    random = Random(1)
    drawn = [random_ends(16, random, after=True, single=0.7) for _ in range(1000)]
    assert all(first == last for first, last in drawn)
    assert 0.7 < sum(first == 1 for first, _ in drawn) / 1000 < 0.85  # 0.7, and a quarter of the rest
    assert {random_ends(16, random, after=False, single=1.0) for _ in range(20)} == {(1, 0)}
