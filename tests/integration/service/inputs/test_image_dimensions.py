"""A video that takes its shape from the start picture takes it as the picture is seen."""

import io
from base64 import b64encode

import httpx
import pytest
from PIL import Image

ORIENTATION = 0x0112  # of EXIF: 1 is upright, 6 to be turned by a quarter


@pytest.mark.parametrize(("orientation", "size"), [(1, "160x96"), (3, "160x96"), (6, "96x160"), (8, "96x160")])
def test_a_photo_on_its_side_gives_the_shape_it_is_seen_in(api: httpx.Client, orientation: int, size: str) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    Image.new("RGB", (960, 540), "red").save(file, "JPEG", exif=exif)
    photo = f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
    asked = {"prompt": "a", "image": photo, "resize_to_image": True}
    answer = api.post("/v1/videos", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["size"] == size
