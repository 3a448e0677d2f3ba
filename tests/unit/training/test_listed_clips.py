"""Images and videos of a metadata list: bucketed, cut, and named when they are broken."""

import json
from random import Random

import numpy as np
import pytest
from PIL import Image

from easyanimate.training.configuration import BatchSettings
from easyanimate.training.errors import TrainingError
from easyanimate.training.listed_clips import ListedClips
from easyanimate.training.metadata import read_metadata
from easyanimate.video_file import Mp4Writer

IMAGES = BatchSettings(frames=1, height=64, width=64, batch_size=2)
VIDEOS = BatchSettings(frames=24, height=64, width=64, batch_size=2)


@pytest.fixture
def folder(tmp_path):
    """Three wide pictures, one tall one, a video of 20 frames and one of 40, and their list."""
    entries = []
    for i, (width, height) in enumerate([(96, 64), (96, 64), (192, 128), (64, 128)]):
        Image.new("RGB", (width, height), (i * 60, 0, 0)).save(tmp_path / f"{i}.png")
        entries.append({"file_path": f"{i}.png", "text": f"picture {i}"})
    for frames in (20, 40):
        with Mp4Writer(tmp_path / f"{frames}.mp4", width=64, height=64) as video:
            video.write(np.full((frames, 64, 64, 3), 128, np.uint8))
        entries.append({"file_path": f"{frames}.mp4", "text": f"video of {frames}", "type": "video"})
    (tmp_path / "list.json").write_text(json.dumps(entries))
    return tmp_path


def test_a_batch_holds_pictures_of_one_bucket(folder):
    source, random = ListedClips(folder / "list.json", folder), Random(0)
    shapes = {source.clips(IMAGES, random).pixels.shape for _ in range(20)}
    assert shapes == {(2, 3, 1, 48, 64), (2, 3, 1, 80, 32)}


def test_videos_are_as_long_as_the_shortest_cut_to_eights(folder):
    source, random = ListedClips(folder / "list.json", folder, whole_length=1.0), Random(0)
    assert source.clips(VIDEOS, random).pixels.shape[2] == 16


def test_some_videos_are_cut_shorter(folder):
    source, random = ListedClips(folder / "list.json", folder, whole_length=0.0), Random(0)
    assert source.clips(VIDEOS, random).pixels.shape[2] == 8


def test_captions_are_those_of_the_list(folder):
    clips = ListedClips(folder / "list.json", folder).clips(VIDEOS, Random(0))
    assert {clips.say(i, Random(0)) for i in range(2)} == {"video of 20", "video of 40"}


def test_a_broken_file_is_named_counted_and_left_out(folder, capsys):
    (folder / "1.png").write_bytes(b"no picture")
    source, random = ListedClips(folder / "list.json", folder, most_broken=0.5), Random(0)
    for _ in range(10):
        source.clips(IMAGES, random)
    assert source.broken == {"1.png"}
    assert capsys.readouterr().err.count("left out 1.png") == 1


def test_too_many_broken_files_end_the_training(folder):
    for name in ("0.png", "1.png", "2.png"):
        (folder / name).unlink()
    source, random = ListedClips(folder / "list.json", folder, most_broken=0.2), Random(0)
    with pytest.raises(TrainingError, match=r"of 6 files cannot be read, more than 20%"):
        [source.clips(IMAGES, random) for _ in range(10)]


def test_a_list_without_videos_cannot_make_videos(folder):
    (folder / "list.json").write_text(json.dumps([{"file_path": "0.png", "text": "a"}]))
    with pytest.raises(TrainingError, match="holds no video that can be read"):
        ListedClips(folder / "list.json", folder).clips(VIDEOS, Random(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "lists nothing"),
        ("no json", "cannot be read as a JSON list"),
        ('[{"file_path": "a.png"}]', "entry 0.text: Field required"),
        ('[{"file_path": "a.png", "text": "", "type": "sound"}]', "entry 0.type"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path, text, message):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(TrainingError, match=message):
        read_metadata(tmp_path / "list.json")
