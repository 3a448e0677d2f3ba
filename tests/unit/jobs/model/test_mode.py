"""The mode of a request follows from its inputs."""

import pytest

from jobs.model.request import Mode, VideoRequest

REQUEST = {
    "model": "m", "prompt": "a", "width": 64, "height": 64, "num_frames": 16, "fps": 24, "num_inference_steps": 2,
    "guidance_scale": 1.0, "scheduler": "euler", "seed": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "mode", "name"),
    [
        ({}, Mode.TEXT_TO_VIDEO, "video.mp4"),
        ({"image_key": "k"}, Mode.IMAGE_TO_VIDEO, "video.mp4"),
        ({"image_key": "k", "last_image_key": "l"}, Mode.IMAGE_TO_VIDEO, "video.mp4"),
        ({"num_frames": 1}, Mode.TEXT_TO_IMAGE, "image.png"),
        ({"video_key": "k"}, Mode.VIDEO_TO_VIDEO, "video.mp4"),
        ({"video_key": "k", "continues": True}, Mode.EXTENSION, "video.mp4"),
    ],
)
def test_mode_and_file_name_follow_from_the_inputs(inputs: dict[str, object], mode: Mode, name: str) -> None:
    request = VideoRequest.model_validate(REQUEST | inputs)
    assert (request.mode, request.result_name) == (mode, name)
