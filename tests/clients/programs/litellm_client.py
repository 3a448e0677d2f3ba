"""Creates videos with litellm; prints the results as JSON. Arguments: address, key, a PNG."""

import hashlib
import json
import sys
import time
from pathlib import Path

import litellm

litellm.suppress_debug_info = True

url, key, image = sys.argv[1:]
connection = {"api_base": f"{url}/v1", "api_key": key}
small = {"size": "64x64", "extra_body": {"num_frames": 8, "num_inference_steps": 2, "seed": 7}}


def wait_for_end(video_id):
    """The record of a video after its end."""
    while True:
        video = litellm.video_status(video_id, custom_llm_provider="openai", **connection)
        if video.status in ("completed", "failed"):
            return video
        time.sleep(0.2)


created = litellm.video_generation("a red ball rolls", "openai/easyanimate-v3-tiny", **small, **connection)
done = wait_for_end(created.id)
content = litellm.video_content(created.id, custom_llm_provider="openai", **connection)
with Path(image).open("rb") as start:
    from_image = litellm.video_generation(
        "it moves", "openai/easyanimate-v3-tiny", input_reference=start, **small, **connection
    )
remixed = litellm.video_remix(created.id, "a blue ball rolls", custom_llm_provider="openai", **connection)
listed = litellm.video_list(custom_llm_provider="openai", **connection)
try:
    litellm.video_generation("a", "openai/easyanimate-v3-tiny", size="60x64", **connection)
    refused = "accepted"
except litellm.BadRequestError as error:
    refused = {"class": type(error).__name__, "status": error.status_code, "message": str(error)}
result = {
    "created": {"id": created.id, "status": created.status},
    "done": {"status": done.status, "progress": done.progress},
    "sha256": hashlib.sha256(content).hexdigest(),
    "from_image": wait_for_end(from_image.id).status,
    "remixed": wait_for_end(remixed.id).status,
    "listed": len(listed if isinstance(listed, list) else listed["data"]),
    "refused": refused,
}
sys.stdout.write(json.dumps(result) + "\n")
