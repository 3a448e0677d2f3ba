"""Calls each function of OpenAI's Python client; prints the parsed responses as JSON.

Arguments: address, key, a PNG, the address and the secret of a webhook.
"""

import hashlib
import json
import sys
from pathlib import Path

import openai

url, key, image, hook, secret = sys.argv[1:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key)
SMALL = {"num_frames": 8, "num_inference_steps": 2, "seed": 7}
LONG = {"size": "192x192", "num_frames": 24, "num_inference_steps": 200}  # minutes; it is cancelled
result = {"version": openai.__version__}


def create(prompt, extra=SMALL, **arguments):
    """Creates a small video."""
    return client.videos.create(prompt=prompt, model="easyanimate-v3-tiny", size="64x64", extra_body=extra, **arguments)


def refused(call):
    """The error that the client raises for a refused call."""
    try:
        call()
    except openai.APIStatusError as error:
        tries = int(error.response.request.headers["x-stainless-retry-count"]) + 1
        fields = {name: getattr(error, name) for name in ("code", "param", "type", "request_id", "status_code")}
        return {"class": type(error).__name__, "tries": tries, **fields}
    return "accepted"


def file(video_id, variant):
    """The media type, the first bytes and the digest of a file of a video."""
    content = client.videos.download_content(video_id, variant=variant)
    data = content.read()
    media_type = content.response.headers["content-type"]
    return {"type": media_type, "begin": data[:12].hex(), "sha256": hashlib.sha256(data).hexdigest()}


webhook = {"url": hook, "events": ["video.completed", "video.failed"], "secret": secret}
first = create("a red ball rolls", {**SMALL, "metadata": {"order": "17"}, "webhook": webhook})
result["created"] = first.model_dump(mode="json")
result["polled"] = client.videos.poll(first.id).model_dump(mode="json")
result["retrieved"] = client.videos.retrieve(first.id).model_dump(mode="json")
result["files"] = {variant: file(first.id, variant) for variant in ("video", "thumbnail", "spritesheet")}

with Path(image).open("rb") as start:
    result["from_image"] = client.videos.create_and_poll(
        prompt="it moves", model="easyanimate-v3-tiny", size="64x64", input_reference=start, extra_body=SMALL
    ).model_dump(mode="json")
derived = [client.videos.remix(first.id, prompt="a blue ball rolls")]
if hasattr(client.videos, "edit"):
    by_id = {"video": {"id": first.id}}
    derived.append(client.videos.edit(prompt="a green ball", video=openai.omit, extra_body={**by_id, "strength": 0.6}))
    more = {**by_id, "num_frames": 8}
    derived.append(client.videos.extend(prompt="on", seconds=openai.omit, video=openai.omit, extra_body=more))
result["derived"] = [client.videos.poll(video.id).model_dump(mode="json") for video in derived]
result["listed"] = [video.id for video in client.videos.list(limit=2)]
result["expected_list"] = [video.id for video in reversed(derived)] + [result["from_image"]["id"], first.id]

slow = create("a red ball rolls", LONG)
result["refused"] = {
    "not_ready": refused(lambda: client.videos.download_content(slow.id)),
    "size": refused(lambda: create("a", {"width": 60, "height": 64, "size": None})),
    "field": refused(lambda: create("a", {"num_frame": 8})),
    "unknown_model": refused(lambda: client.videos.create(prompt="a", model="sora-2")),
}
client.post(f"/videos/{slow.id}/cancel", cast_to=object)
result["cancelled"] = client.videos.poll(slow.id).model_dump(mode="json")
result["deleted"] = client.videos.delete(slow.id).model_dump(mode="json")
result["refused"]["deleted"] = refused(lambda: client.videos.retrieve(slow.id))
result["refused"]["key"] = refused(client.with_options(api_key="wrong").models.list)
result["models"] = [model.id for model in client.models.list()]
sys.stdout.write(json.dumps(result) + "\n")
