"""Images and videos that are decoded in a real limited process, and what is said about those that cannot be used."""

import io
from pathlib import Path

import pytest
from PIL import Image

from easyanimate.media.probe.messages import ProbeAnswer, ProbeTask, TaskOutcome
from jobs.errors import InvalidRequest
from service.http.errors import ApiError
from service.inputs.media import DecodedImage, MediaLimits, MediaReader
from service.inputs.media_process import MediaProcess, media_process

SAMPLES = Path(__file__).parents[3] / "samples" / "media"
LIMITS = MediaLimits(max_pixels=1_000_000, memory_bytes=1 << 30, timeout_s=240)


@pytest.fixture(scope="module")
def media() -> MediaReader:
    return MediaReader(media_process(), LIMITS)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def picture(size: tuple[int, int], color: str = "red", form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, form)
    return file.getvalue()


def large_picture() -> bytes:
    """25 megapixels in few bytes."""
    file = io.BytesIO()
    Image.new("1", (5000, 5000)).save(file, "PNG", compress_level=1)
    return file.getvalue()


LARGE = large_picture()


def colors(image: DecodedImage) -> list[tuple[int, ...]]:
    with Image.open(io.BytesIO(image.png)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("PNG", "RGB", (image.width, image.height))
        return [opened.getpixel(place) for place in ((2, 2), (60, 60))]


@pytest.mark.parametrize("name", ["p_icc_p3.png", "p_icc_p3.jpg", "p_icc_adobe.png", "p_icc_linear.png", "p_plain.png"])
def test_an_image_arrives_in_srgb(media: MediaReader, name: str) -> None:
    image = media.read_image(sample(name), "image")
    for color, wanted in zip(colors(image), [(30, 60, 200), (220, 40, 30)], strict=True):
        assert max(abs(a - b) for a, b in zip(color, wanted, strict=True)) <= 4
    assert image.warnings == ()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_every_format_is_decoded_without_opening_a_file(media: MediaReader, form: str) -> None:
    image = media.read_image(picture((64, 32), form=form), "image")
    assert (image.width, image.height) == (64, 32)


def test_a_heic_photo_is_decoded_without_opening_a_file(media: MediaReader) -> None:
    import pillow_heif

    photo, file = pillow_heif.HeifFile(), io.BytesIO()
    photo.add_frombytes("RGB", (64, 32), bytes(64 * 32 * 3))
    photo.save(file)
    assert media.read_image(file.getvalue(), "image").width == 64


def test_a_cut_off_jpeg_has_a_warning_that_names_its_field(media: MediaReader) -> None:
    (warning,) = media.read_image(sample("p_trunc2.jpg"), "last_image").warnings
    assert warning.startswith("last_image: it is a cut off JPEG file")


def test_the_levels_of_a_mask_are_those_at_the_size_of_the_video(media: MediaReader) -> None:
    mask = Image.new("L", (64, 64))
    mask.putpixel((0, 0), 255)  # falls between the pixels of a small video
    file = io.BytesIO()
    mask.save(file, "PNG")
    decoded = media.read_mask(file.getvalue(), "mask")
    assert media.mask_levels(decoded.png, (64, 64)) == (0, 255)
    assert media.mask_levels(decoded.png, (16, 16)) == (0, 0)


@pytest.mark.parametrize(
    ("name", "size", "seconds"),
    [
        ("o_own.mp4", (96, 96), 2.0),
        ("v_elst_end.mp4", (192, 96), 1.0),
        ("v_sar2.mp4", (192, 96), 2.0),
        ("v_hybrid.mp4", (192, 96), 2.0),
        ("v_coverfirst.mp4", (192, 96), 2.0),
        ("v_alpha_png.mov", (192, 96), 2.0),
    ],
)
def test_a_video_has_the_size_and_time_that_players_show(
    media: MediaReader, name: str, size: tuple[int, int], seconds: float
) -> None:
    video = media.read_video(sample(name), "video")
    assert (video.width, video.height, float(video.duration)) == (*size, seconds)


@pytest.mark.parametrize(
    ("data", "param", "code", "reason"),
    [
        (b"", "image", "unsupported_image", "image is empty"),
        (b"just text", "image", "unsupported_image", "image must be an image"),
        (sample("o_own.mp4"), "image", "unsupported_image", "image is a file of the format MP4; send an image"),
        (sample("p_plain.png"), "video", "unsupported_video", "video is a file of the format PNG; send a video"),
        (sample("p.heic"), "image", "unsupported_image", "image is a damaged or cut off HEIC file"),
        (sample("m_la.png"), "mask", "unsupported_image", "mask has transparent and white places"),
        (picture((1001, 1000)), "image", "unsupported_image", "image has 1001x1000 pixels; at most 1000000"),
        (sample("o_own.mp4")[:900], "video", "unsupported_video", "video "),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    media: MediaReader, data: bytes, param: str, code: str, reason: str
) -> None:
    read = {"image": media.read_image, "mask": media.read_mask, "video": media.read_video}[param]
    with pytest.raises(InvalidRequest) as refusal:
        read(data, param)
    assert (refusal.value.code, refusal.value.param) == (code, param)
    assert str(refusal.value).startswith(reason)


def test_an_image_that_needs_more_memory_than_allowed_is_refused() -> None:
    media = MediaReader(media_process(), MediaLimits(40_000_000, memory_bytes=32 << 20, timeout_s=240))
    with pytest.raises(InvalidRequest, match="needs more than 33 MB of memory"):
        media.read_image(LARGE, "image")


def test_an_image_that_needs_more_time_than_allowed_is_refused() -> None:
    media = MediaReader(media_process(), MediaLimits(40_000_000, memory_bytes=1 << 30, timeout_s=0.01))
    with pytest.raises(InvalidRequest, match=r"needs more than 0.01 s to be decoded"):
        media.read_image(LARGE, "image")


class _FixedProcess(MediaProcess):
    """Answers every task alike, as a decoder under the control of an attacker could, or a machine without memory."""

    def __init__(self, answer: ProbeAnswer) -> None:
        super().__init__()
        self.answer = answer

    def run(self, task: ProbeTask, data: bytes, timeout_s: float) -> ProbeAnswer:
        return self.answer


@pytest.mark.parametrize(
    "values", [{}, {"width": "x", "height": 1, "warnings": []}, {"description": "[]"}, {"reason": 1}]
)
@pytest.mark.parametrize("outcome", [TaskOutcome.DONE, TaskOutcome.REFUSED])
def test_an_answer_of_another_form_is_a_damaged_file(values: dict[str, object], outcome: TaskOutcome) -> None:
    media = MediaReader(_FixedProcess(ProbeAnswer(outcome, values)), LIMITS)
    for read, name in ((media.read_image, "p_plain.png"), (media.read_video, "o_own.mp4")):
        with pytest.raises(InvalidRequest):
            read(sample(name), "input")


@pytest.mark.parametrize(
    ("outcome", "code"), [(TaskOutcome.OVERLOADED, "rate_limited"), (TaskOutcome.UNAVAILABLE, "decoder_unavailable")]
)
def test_a_machine_that_cannot_start_processes_is_no_fault_of_the_file(outcome: TaskOutcome, code: str) -> None:
    media = MediaReader(_FixedProcess(ProbeAnswer(outcome)), LIMITS)
    with pytest.raises(ApiError) as refusal:
        media.read_image(sample("p_plain.png"), "image")
    assert refusal.value.code == code
