"""Images, masks and videos of other programs in requests: what is stored, what the record says, what is refused."""

import io
import json
from base64 import b64encode, encodebytes
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from jobs.model.job import Job
from jobs.storage.factory import open_storage
from service.settings import ServiceSettings

SAMPLES = Path(__file__).parents[3] / "samples" / "media"


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def data_url(data: bytes, encode: Callable[[bytes], bytes] = b64encode) -> str:
    return f"data:application/octet-stream;base64,{encode(data).decode()}"


def mask(*, has_hole: bool) -> bytes:
    """Half of it is a hole or white, the rest black."""
    pixels = np.zeros((96, 192, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[:, 96:] = (0, 0, 0, 0) if has_hole else (255,) * 4
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def input_image(settings: ServiceSettings, stored: Callable[[str], Job]) -> Callable[[str, str], Image.Image]:
    """The stored input of a video, by the name of its key in the request."""

    def read(video_id: str, key: str) -> Image.Image:
        path = getattr(stored(video_id).request, key)
        return Image.open(io.BytesIO(b"".join(open_storage(settings).read(path, 0, 1 << 30))))

    return read


def test_a_photo_of_a_phone_is_stored_in_srgb_with_a_warning_if_it_is_cut_off(
    api: httpx.Client, input_image: Callable[[str, str], Image.Image]
) -> None:
    body = {
        "prompt": "a",
        "image": data_url(sample("p_icc_p3.jpg"), encodebytes),
        "last_image": data_url(sample("p_trunc2.jpg")),
    }
    answer = api.post("/v1/videos", json=body)
    assert answer.status_code == 200, answer.text
    record = answer.json()
    image = input_image(record["id"], "image_key")
    for place, wanted in (((2, 2), (30, 60, 200)), ((60, 60), (220, 40, 30))):
        assert max(abs(a - b) for a, b in zip(image.getpixel(place), wanted, strict=True)) <= 4
    assert [warning for warning in record["warnings"] if warning.startswith("last_image: it is a cut off JPEG")]


def test_a_hole_in_a_mask_is_what_is_generated_anew(
    api: httpx.Client, input_image: Callable[[str, str], Image.Image]
) -> None:
    fields = {"prompt": "a", "video": data_url(sample("v_709.mp4")), "size": "96x96"}
    stored = []
    for has_hole in (True, False):
        answer = api.post("/v1/videos/edits", json={**fields, "mask": data_url(mask(has_hole=has_hole))})
        assert answer.status_code == 200, answer.text
        stored.append(np.asarray(input_image(answer.json()["id"], "mask_key")).tolist())
    assert stored[0] == stored[1]


def test_transparent_and_white_places_are_refused_on_the_mask(
    api: httpx.Client, code_of: Callable[[httpx.Response], str]
) -> None:
    body = {"prompt": "a", "video": data_url(sample("v_709.mp4")), "mask": data_url(sample("m_white_on_clear.png"))}
    answer = api.post("/v1/videos/edits", json=body)
    assert (answer.status_code, code_of(answer)) == (400, "unsupported_image")
    assert answer.json()["error"]["param"] == "mask"


@pytest.mark.parametrize(
    ("name", "frames_at_24"), [("o_own.mp4", 48), ("v_elst_end.mp4", 24), ("v_trim2.mp4", 50), ("v_hybrid.mp4", 48)]
)
def test_an_extension_counts_the_frames_that_a_player_shows(
    api: httpx.Client, stored: Callable[[str], Job], name: str, frames_at_24: int
) -> None:
    answer = api.post("/v1/videos/extensions", json={"prompt": "a", "video": data_url(sample(name)), "num_frames": 8})
    assert answer.status_code == 200, answer.text
    request = stored(answer.json()["id"]).request
    assert request.video_num_frames == round(frames_at_24 * request.fps / 24)
    assert request.num_frames == request.video_num_frames + 8


@pytest.mark.parametrize(("name", "word"), [("v_hlg.mp4", "HLG"), ("v_pq.mp4", "PQ")])
def test_hdr_colours_are_a_warning(api: httpx.Client, name: str, word: str) -> None:
    body = {"prompt": "a", "video": data_url(sample(name)), "num_frames": 8}
    warnings = api.post("/v1/videos/extensions", json=body).json()["warnings"]
    assert f"video: its HDR colours ({word}) are mapped to SDR" in warnings


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("p_icc_p3.jpg", "image/jpeg", "picture"),
        ("v_alpha_png.mov", "video/quicktime", "video"),
        ("v_sar2.mp4", "video/mp4", "video"),
    ],
)
def test_an_upload_has_its_kind_shown_size_and_media_type(
    api: httpx.Client, name: str, media_type: str, kind: str
) -> None:
    file = api.post("/v1/files", files={"file": ("without-extension", sample(name))}).json()
    assert (file["kind"], file["width"], file["height"]) == (kind, 192, 192 if kind == "picture" else 96), json.dumps(
        file
    )
    assert api.get(f"/v1/files/{file['id']}/content").headers["content-type"] == media_type


@pytest.mark.parametrize(
    ("data", "code"), [("p.heic", "unsupported_image"), ("tiff", "unsupported_image"), ("flv", "unsupported_video")]
)
def test_a_file_that_cannot_be_used_is_refused_by_the_name_of_its_format(
    api: httpx.Client, code_of: Callable[[httpx.Response], str], data: str, code: str
) -> None:
    content = {"tiff": b"II*\0\x08\0\0\0", "flv": b"FLV\1"}.get(data) or sample(data)
    answer = api.post("/v1/files", files={"file": ("a", content)})
    assert (answer.status_code, code_of(answer)) == (400, code)
    assert data.removeprefix("p.").upper() in answer.json()["detail"]


def test_a_webm_video_is_accepted(api: httpx.Client, tmp_path: Path) -> None:
    import av

    path = tmp_path / "clip.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=8)
        stream.width, stream.height = 96, 96
        for _ in range(16):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((96, 96, 3), np.uint8))))
        container.mux(stream.encode())
    answer = api.post(
        "/v1/videos/extensions", json={"prompt": "a", "video": data_url(path.read_bytes()), "num_frames": 8}
    )
    assert answer.status_code == 200, answer.text
    assert api.post("/v1/files", files={"file": ("a", path.read_bytes())}).json()["kind"] == "video"
