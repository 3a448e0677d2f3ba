"""Images and videos of a metadata list: their buckets and lengths, and reports of unreadable files."""

import json
from random import Random

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from easyanimate.files.video_writer import Mp4Writer
from easyanimate.training.data.choose_source import choose_source
from easyanimate.training.data.listed_clips import ListedClips
from easyanimate.training.data.metadata import read_metadata_list
from easyanimate.training.errors import TrainingError
from easyanimate.training.optimization.randomness import random_at
from easyanimate.training.run.configuration import BatchSettings, DataSettings, ListSettings, read_training_settings

IMAGES = BatchSettings(frames=1, height=64, width=64, batch_size=2)
VIDEOS = BatchSettings(frames=24, height=64, width=64, batch_size=2)
ONE_VIDEO = VIDEOS.model_copy(update={"batch_size": 1})


@pytest.fixture
def folder(tmp_path):
    """A folder with three wide images, a tall one, videos of 20 and 40 frames, and their list."""
    entries = []
    for i, (width, height) in enumerate([(96, 64), (96, 64), (192, 128), (64, 128)]):
        Image.new("RGB", (width, height), (i * 60, 0, 0)).save(tmp_path / f"{i}.png")
        entries.append({"file_path": f"{i}.png", "text": f"picture {i}"})
    for frames in (20, 40):
        write_video(tmp_path / f"{frames}.mp4", [128] * frames)
        entries.append({"file_path": f"{frames}.mp4", "text": f"video of {frames}", "type": "video"})
    (tmp_path / "list.json").write_text(json.dumps(entries))
    return tmp_path


def write_video(path, greys):
    with Mp4Writer(path, width=64, height=64) as video:
        for grey in greys:
            video.write(np.full((1, 64, 64, 3), grey, np.uint8))


def write_list(folder, name, kind="image"):
    (folder / "list.json").write_text(json.dumps([{"file_path": name, "text": "a", "type": kind}]))


def break_body(path):
    """Overwrites the pixel data of a file and keeps its header."""
    content = path.read_bytes()
    body = content.index(b"IDAT" if path.suffix == ".png" else b"mdat") + 4
    path.write_bytes(content[:body] + bytes(len(content) - body))


def brightness(pixels):
    """Mean grey, 0..255, of each frame of the first clip."""
    return ((pixels[0].mean((0, 2, 3)) + 1) * 127.5).numpy()


def captions(clips):
    return [clips.caption_of(i, Random(0)) for i in range(len(clips.pixels))]


def draw_step(source, kind, step):
    """The clips and captions of a step, and the random number after them."""
    random = random_at(step)
    clips = source.clips(kind, random)
    return clips.pixels.numpy().tobytes(), captions(clips), random.random()


def test_a_batch_has_images_of_one_bucket(folder):
    source, random = ListedClips(folder / "list.json", folder), Random(0)
    shapes = {source.clips(IMAGES, random).pixels.shape for _ in range(20)}
    assert shapes == {(2, 3, 1, 48, 64), (2, 3, 1, 80, 32)}


def test_videos_are_cut_to_the_shortest_length_in_multiples_of_8(folder):
    source, random = ListedClips(folder / "list.json", folder, whole_length=1.0), Random(0)
    assert source.clips(VIDEOS, random).pixels.shape[2] == 16


def test_a_share_of_the_videos_is_shorter(folder):
    source, random = ListedClips(folder / "list.json", folder, whole_length=0.0), Random(0)
    assert source.clips(VIDEOS, random).pixels.shape[2] == 8


def test_captions_are_those_of_the_list(folder):
    clips = ListedClips(folder / "list.json", folder).clips(VIDEOS, Random(0))
    assert {clips.caption_of(i, Random(0)) for i in range(2)} == {"video of 20", "video of 40"}


def test_a_broken_file_is_reported_counted_and_skipped(folder, capsys):
    (folder / "1.png").write_bytes(b"no picture")
    source, random = ListedClips(folder / "list.json", folder, most_broken=0.5), Random(0)
    for _ in range(10):
        source.clips(IMAGES, random)
    assert source.broken == {"1.png"}
    assert capsys.readouterr().err.count("skipped 1.png") == 1


def test_too_many_broken_files_end_the_training(folder):
    for name in ("0.png", "1.png", "2.png"):
        (folder / name).unlink()
    with pytest.raises(TrainingError, match=r"2 of 6 files cannot be read, more than 20%; the last is 1\.png"):
        ListedClips(folder / "list.json", folder, most_broken=0.2)


def test_too_many_files_with_broken_content_end_the_training(folder):
    for name in ("0.png", "1.png", "2.png"):
        break_body(folder / name)
    source, random = ListedClips(folder / "list.json", folder, most_broken=0.2), Random(0)
    with pytest.raises(TrainingError, match=r"2 of 6 files cannot be read, more than 20%"):
        [source.clips(IMAGES, random) for _ in range(10)]


def test_a_list_without_readable_content_is_refused(folder):
    for name in ("20.mp4", "40.mp4"):
        break_body(folder / name)
    source = ListedClips(folder / "list.json", folder, most_broken=1.0)
    with pytest.raises(TrainingError, match="no batch of videos could be read"):
        source.clips(VIDEOS, Random(0))


@pytest.mark.parametrize("name", ["0.png", "40.mp4"])
def test_a_file_with_broken_content_is_reported_once_and_replaced(folder, capsys, name):
    break_body(folder / name)
    source, random = ListedClips(folder / "list.json", folder, most_broken=0.5), Random(0)
    assert source.broken == set()
    for _ in range(10):
        for kind in (IMAGES, VIDEOS):
            assert len(source.clips(kind, random).pixels) == 2
    assert source.broken == {name}
    assert capsys.readouterr().err.count(f"skipped {name}") == 1


@pytest.mark.parametrize("kind", [IMAGES, VIDEOS], ids=["images", "videos"])
def test_a_resumed_training_draws_the_same_clips(folder, kind):
    for name in ("0.png", "20.mp4"):
        break_body(folder / name)
    (folder / "1.png").write_bytes(b"no picture")
    first, resumed = (ListedClips(folder / "list.json", folder, most_broken=0.5) for _ in range(2))
    drawn = [draw_step(first, kind, step) for step in range(12)]
    assert len(first.broken) > len(resumed.broken)
    for step in (11, 7, 6):
        assert draw_step(resumed, kind, step) == drawn[step]


def test_a_window_starts_at_a_random_frame(folder):
    write_video(folder / "40.mp4", range(0, 240, 6))
    write_list(folder, "40.mp4", kind="video")
    source = ListedClips(folder / "list.json", folder)
    starts = {round(brightness(source.clips(ONE_VIDEO, Random(i)).pixels)[0] / 6) for i in range(150)}
    assert starts == set(range(17))


def test_a_window_holds_neighbouring_frames(folder):
    write_video(folder / "40.mp4", range(0, 240, 6))
    write_list(folder, "40.mp4", kind="video")
    source = ListedClips(folder / "list.json", folder, whole_length=1.0)
    assert np.diff(brightness(source.clips(ONE_VIDEO, Random(3)).pixels)) == pytest.approx(np.full(23, 6), abs=2)


@pytest.mark.parametrize(("frames", "length"), [(1, 1), (7, 1), (8, 8), (23, 16), (24, 24)])
def test_a_shorter_video_has_a_multiple_of_8_frames(folder, frames, length):
    write_video(folder / "short.mp4", range(frames))
    write_list(folder, "short.mp4", kind="video")
    source = ListedClips(folder / "list.json", folder, whole_length=1.0)
    assert source.clips(ONE_VIDEO, Random(0)).pixels.shape == (1, 3, length, 64, 64)


def test_a_video_shorter_than_its_header_is_read_from_its_first_frame(folder):
    write_video(folder / "40.mp4", range(0, 240, 6))
    write_list(folder, "40.mp4", kind="video")
    source = ListedClips(folder / "list.json", folder, whole_length=1.0)
    write_video(folder / "40.mp4", range(0, 96, 6))
    levels = [brightness(source.clips(ONE_VIDEO, Random(i)).pixels) for i in range(10)]
    assert {len(frames) for frames in levels} == {16}
    assert all(frames[0] == pytest.approx(0, abs=2) for frames in levels)


def test_only_headers_are_read_before_the_first_batch(folder):
    for path in (*folder.glob("*.png"), *folder.glob("*.mp4")):
        break_body(path)
    assert ListedClips(folder / "list.json", folder).broken == set()


def test_larger_buckets_are_drawn_more_often(folder):
    source, random = ListedClips(folder / "list.json", folder), Random(0)
    wide = sum(source.clips(IMAGES, random).pixels.shape[-1] == 64 for _ in range(200))
    assert wide == pytest.approx(150, abs=20)


def test_each_file_of_a_bucket_is_drawn_once_before_one_is_drawn_twice(folder):
    source = ListedClips(folder / "list.json", folder)
    three, seven = (IMAGES.model_copy(update={"batch_size": size}) for size in (3, 7))
    for step in range(20):
        assert len(set(captions(source.clips(three, Random(step))))) in (1, 3)
        texts = captions(source.clips(seven, Random(step)))
        assert {texts.count(text) for text in texts} in ({7}, {2, 3})


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_an_image_is_rotated_by_its_exif_orientation(folder, orientation, suffix):
    picture, exif = Image.new("RGB", (128, 64), "red"), Image.Exif()
    picture.paste("blue", (0, 0, 64, 64))
    exif[ExifTags.Base.Orientation] = orientation
    picture.save(folder / f"turned.{suffix}", exif=exif)
    write_list(folder, f"turned.{suffix}")
    pixels = ListedClips(folder / "list.json", folder).clips(IMAGES, Random(0)).pixels[0, :, 0]
    upright = ImageOps.exif_transpose(Image.open(folder / f"turned.{suffix}"))
    assert (pixels.shape[2] > pixels.shape[1]) == (upright.width > upright.height) == (orientation < 5)
    is_blue_at_the_start = upright.getpixel((2, 2))[2] > 128
    assert (pixels[2, 2, 2] > 0) == is_blue_at_the_start
    assert (pixels[2, -3, -3] > 0) != is_blue_at_the_start


def test_transparent_pixels_are_white(folder):
    Image.new("RGBA", (64, 64), (200, 0, 0, 0)).save(folder / "clear.png")
    write_list(folder, "clear.png")
    assert ListedClips(folder / "list.json", folder).clips(IMAGES, Random(0)).pixels.min() == 1


def test_a_list_without_videos_is_refused_for_videos(folder):
    write_list(folder, "0.png")
    with pytest.raises(TrainingError, match="contains no readable video"):
        ListedClips(folder / "list.json", folder).clips(VIDEOS, Random(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "lists nothing"),
        ("no json", "cannot be read as a JSON list"),
        ('[{"file_path": "a.png"}]', "entry 0.text: Field required"),
        ('[{"file_path": "a.png", "text": "", "type": "sound"}]', "entry 0.type"),
        ('[{"file_path": "../a.png", "text": ""}]', r"entry 0.file_path: .*\.\./a\.png must be a path inside the data"),
        ('[{"file_path": "b/../../a.png", "text": ""}]', "must be a path inside the data folder"),
        ('[{"file_path": "/etc/a.png", "text": ""}]', r"/etc/a\.png must be a path inside the data folder"),
    ],
)
def test_an_invalid_list_is_refused(tmp_path, text, message):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(TrainingError, match=message):
        read_metadata_list(tmp_path / "list.json")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_list_in_an_encoding_of_windows_is_read(tmp_path, encoding):
    text = json.dumps([{"file_path": "a.png", "text": "rouge é"}], ensure_ascii=False).replace(",", ",\r\n")
    (tmp_path / "list.json").write_bytes(text.encode(encoding))
    assert [entry.text for entry in read_metadata_list(tmp_path / "list.json")] == ["rouge é"]


@pytest.mark.parametrize("is_link", [False, True])
def test_an_absolute_path_inside_the_data_folder_is_accepted(folder, tmp_path_factory, is_link):
    data = folder
    if is_link:
        data = tmp_path_factory.mktemp("links") / "data"
        data.symlink_to(folder)
    (folder / "list.json").write_text(json.dumps([{"file_path": str(folder / "0.png"), "text": "a"}]))
    assert [entry.file_path for entry in read_metadata_list(folder / "list.json", data)] == ["0.png"]
    assert ListedClips(folder / "list.json", data).clips(IMAGES, Random(0)).pixels.shape[0] == 2


@pytest.mark.parametrize("path", ["{folder}/../a.png", "{folder}else/a.png", "{folder}/b/../../a.png", "{folder}"])
def test_an_absolute_path_that_leaves_the_data_folder_is_refused(tmp_path, path):
    (tmp_path / "list.json").write_text(json.dumps([{"file_path": path.format(folder=tmp_path), "text": ""}]))
    with pytest.raises(TrainingError, match="must be a path inside the data folder"):
        read_metadata_list(tmp_path / "list.json")


@pytest.mark.parametrize("path", ["pictures\\a.png", "C:\\data\\a.png"])
def test_backslashes_in_a_path_are_refused(tmp_path, path):
    (tmp_path / "list.json").write_text(json.dumps([{"file_path": path, "text": ""}]))
    with pytest.raises(TrainingError, match=r"has backslashes; write / between folders"):
        read_metadata_list(tmp_path / "list.json")


@pytest.mark.parametrize(("name", "kind"), [("a.mp4", "video"), ("b/A.MOV", "video"), ("a.png", "image")])
def test_a_missing_type_follows_from_the_extension(tmp_path, name, kind):
    (tmp_path / "list.json").write_text(json.dumps([{"file_path": name, "text": ""}]))
    assert [entry.type for entry in read_metadata_list(tmp_path / "list.json")] == [kind]


def test_a_git_lfs_pointer_instead_of_a_list_is_refused(tmp_path):
    (tmp_path / "list.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(TrainingError, match="is a git-LFS pointer"):
        read_metadata_list(tmp_path / "list.json")


def test_an_invalid_batch_is_reported_in_one_sentence(tmp_path):
    path = tmp_path / "training.toml"
    path.write_text("[[batches]]\nframes = 12\nbatch_size = 1\n", encoding="utf-8-sig")
    with pytest.raises(TrainingError, match=r"does not fit: batches\.0: frames must be 1 or a .* of 8, got 12$"):
        read_training_settings(path, DataSettings)


def test_settings_without_batches_are_refused(tmp_path):
    (tmp_path / "training.toml").write_text("batches = []\n")
    with pytest.raises(TrainingError, match="batches: Tuple should have at least 1 item"):
        read_training_settings(tmp_path / "training.toml", DataSettings)


def test_a_batch_without_files_in_the_list_is_refused_at_once(folder):
    (folder / "pictures.json").write_text(json.dumps([{"file_path": "0.png", "text": "a picture"}]))
    files = ListSettings(metadata=folder / "pictures.json")
    choose_source(DataSettings(files=files, batches=(IMAGES,)))
    with pytest.raises(TrainingError, match="the list contains no readable video"):
        choose_source(DataSettings(files=files, batches=(IMAGES, VIDEOS.model_copy(update={"after": 0.5}))))
