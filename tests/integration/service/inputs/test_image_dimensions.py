"""The aspect ratio of a start image is that of the displayed image."""

import io
from base64 import b64encode

import httpx
import pytest
from PIL import Image

ORIENTATION = 0x0112  # of EXIF: 1 is upright, 6 to be turned by a quarter


@pytest.mark.parametrize(("orientation", "size"), [(1, "160x96"), (3, "160x96"), (6, "96x160"), (8, "96x160")])
def test_a_rotated_photo_has_the_displayed_aspect_ratio(api: httpx.Client, orientation: int, size: str) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    Image.new("RGB", (960, 540), "red").save(file, "JPEG", exif=exif)
    photo = f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
    body = {"prompt": "a", "image": photo, "resize_to_image": True}
    answer = api.post("/v1/videos", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["size"] == size
