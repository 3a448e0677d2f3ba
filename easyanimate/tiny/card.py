"""What the small model can make: its limits and defaults, for whoever offers it."""

from typing import Any

from easyanimate.pipeline.schedulers import SCHEDULERS

CARD: dict[str, Any] = {
    "name": "easyanimate-v3-tiny",
    "description": "A few megabytes of random weights in V3's structure: moving texture in seconds, without a GPU.",
    "default_width": 128,
    "default_height": 128,
    "max_pixels": 65536,
    "max_side": 512,
    "min_side": 64,
    "max_frames": 48,
    "default_num_frames": 16,
    "fps": 24,
    "default_num_inference_steps": 10,
    "max_inference_steps": 200,
    "default_guidance_scale": 4.0,
    "default_scheduler": "euler",
    "schedulers": list(SCHEDULERS),
}
