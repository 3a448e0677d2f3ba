"""The body of a question to the moderation hook."""

import json

from jobs.model.request import ShotRequest, VideoRequest
from jobs.moderation import ModerationCase, ModerationStage


def test_the_hook_receives_all_prompts_of_a_film() -> None:
    shots = tuple(
        ShotRequest(prompt=prompt, negative_prompt=negative, num_frames=8, seed=0)
        for prompt, negative in (("a cat", "blur"), ("a dog", "rain"), ("a bird", "blur"))
    )
    request = VideoRequest(
        model="tiny", prompt="a cat\na dog\na bird", width=64, height=64, num_frames=24, fps=24, seed=0,
        num_inference_steps=10, guidance_scale=4.0, scheduler="euler", shots=shots,
    )  # fmt: skip
    body = json.loads(ModerationCase(ModerationStage.PROMPT, "me", request).body())
    assert (body["prompt"], body["negative_prompt"]) == (request.prompt, "blur\nrain")
