"""Every mode with real processes; the result of one video is the source of the next."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import openai
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from cli.stack.stack import LocalStack
from easyanimate.lora import LowRank, write_lora

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # raised by openai
SMALL = {"size": "64x64", "num_frames": 16, "num_inference_steps": 2, "seed": 1}


def png(color: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(out, "PNG")
    return out.getvalue()


def content(api: Any, video_id: str, variant: str = "video") -> bytes:
    data: bytes = api.http.get(f"/v1/videos/{video_id}/content?variant={variant}").raise_for_status().content
    return data


def frames(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]).astype(int)


def create_completed(api: Any, path: str, **fields: Any) -> dict[str, Any]:
    """Creates a video and waits for it; returns its record."""
    response = api.http.post(path, json={"prompt": "a red ball", **fields})
    assert response.status_code == 200, response.text
    record: dict[str, Any] = api.ended(response.json()["id"])
    assert record["status"] == "completed", record
    return record


def test_a_video_is_extended_twice_and_its_source_can_be_deleted(api: Any) -> None:
    first = create_completed(api, "/v1/videos", **SMALL, prompt="a large red circle moving right on a blue background")[
        "id"
    ]
    old = frames(content(api, first))
    body = {"prompt": "b", "video": {"id": first}, "num_frames": 8}
    second = api.http.post("/v1/videos/extensions", json=body).json()["id"]
    api.http.delete(f"/v1/videos/{first}").raise_for_status()
    assert api.ended(second)["num_frames"] == 24
    third = create_completed(api, "/v1/videos/extensions", video={"id": second}, num_frames=16)
    whole = frames(content(api, third["id"]))
    assert (third["num_frames"], len(whole)) == (40, 40)
    difference = np.abs(whole[:12] - old[:12]).mean()
    assert difference < 8  # noise, encoded three times
    assert np.abs(whole[:12] - old[:12][:, ::-1]).mean() > 2 * difference


def test_openai_remixes_edits_and_extends(stack: LocalStack, api: Any) -> None:
    first = create_completed(api, "/v1/videos", **SMALL)
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="any") as client:
        remix = client.videos.remix(first["id"], prompt="a blue ball")
        edit = client.videos.edit(prompt="a blue ball", video=content(api, first["id"]))
        again: Any = {"video": {"id": first["id"]}, "num_inference_steps": 1}
        left_out: Any = openai.omit
        extension = client.videos.extend(prompt="b", seconds="1", video=left_out, extra_body=again)
        ended = [client.videos.poll(video.id) for video in (remix, edit, extension)]
    assert [video.status for video in ended] == ["completed"] * 3
    assert [len(frames(content(api, video.id))) for video in ended] == [16, 16, 24]
    assert content(api, remix.id) != content(api, first["id"])


def test_one_frame_is_a_png(api: Any) -> None:
    record = create_completed(api, "/v1/videos", **SMALL | {"num_frames": 1})
    response = api.http.get(f"/v1/videos/{record['id']}/content")
    assert (response.headers["content-type"], response.content[:4]) == ("image/png", b"\x89PNG")


def test_a_video_of_three_windows_can_be_watched_after_its_first_one(api: Any, wait_until: Callable[..., None]) -> None:
    form = {"prompt": "a", "num_frames": "56", "num_inference_steps": "1", "size": "64x64"}
    files = {"image": ("a.png", png("red")), "last_image": ("b.png", png("blue"))}
    video_id = api.http.post("/v1/videos", data=form, files=files).json()["id"]
    wait_until(lambda: api.get(video_id)["watchable_s"])
    playlist = f"/v1/videos/{video_id}/playlist.m3u8"
    assert "#EXTINF" in api.http.get(playlist).raise_for_status().text
    record = api.ended(video_id)
    assert (record["status"], record["size"], record["total_steps"]) == ("completed", "64x64", 3)
    with av.open(str(api.http.base_url.join(playlist))) as video:
        assert len(list(video.decode(video=0))) == 56


def test_a_video_with_damaged_content_fails_with_a_reason(api: Any) -> None:
    data = bytearray(content(api, create_completed(api, "/v1/videos", **SMALL)["id"]))
    with av.open(io.BytesIO(data)) as video:
        begin = sorted(packet.pos for packet in video.demux(video=0) if packet.size)[2]  # two frames remain
    data[begin:] = b"\xff" * (len(data) - begin)
    files = {"video": ("v.mp4", bytes(data))}
    record = api.ended(api.http.post("/v1/videos/edits", data={"prompt": "a"}, files=files).json()["id"])
    assert (record["error"]["code"], record["error"]["blame"]) == ("invalid_video", "caller")


@pytest.mark.slow
def test_a_new_lora_is_listed_and_applied(api: Any, stack: LocalStack, wait_until: Callable[..., None]) -> None:
    folder = stack.plan.models_dir / "loras"
    folder.mkdir(exist_ok=True)
    widths = json.loads((stack.plan.models_dir / stack.plan.model / "transformer" / "config.json").read_text())
    width = widths["num_attention_heads"] * widths["attention_head_dim"]
    ones = LowRank(ones_matrix(2, width), ones_matrix(width, 2))
    write_lora(folder / "e2e.safetensors", {"transformer_blocks.0.attn1.to_q": ones, "nothing.here": ones})

    def is_listed() -> bool:
        model = api.http.get(f"/v1/models/{stack.plan.model}").json()
        return "e2e" in [lora["name"] for lora in model["loras"]]

    try:
        wait_until(is_listed)
        record = create_completed(api, "/v1/videos", **SMALL, loras=[{"name": "e2e", "scale": 1}])
        assert "1 of 2 modules applied" in record["warnings"][0]
        assert content(api, record["id"]) != content(api, create_completed(api, "/v1/videos", **SMALL)["id"])
    finally:
        (folder / "e2e.safetensors").unlink()


def ones_matrix(rows: int, columns: int) -> Any:
    import torch

    return torch.ones(rows, columns)


@pytest.mark.slow
def test_a_manifest_reproduces_the_same_frames(api: Any, stack: LocalStack, tmp_path: Path) -> None:
    record = create_completed(api, "/v1/videos", **SMALL)
    (tmp_path / "manifest.json").write_bytes(content(api, record["id"], "manifest"))
    command = ["reproduce", str(tmp_path / "manifest.json"), "--models-dir", str(stack.plan.models_dir)]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "all 16 frames are the same" in done.stdout) == (0, True), done.output
