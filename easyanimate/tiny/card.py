"""The model card of the small model: its limits and defaults."""

from typing import Any

from easyanimate.scheduler_names import SCHEDULERS

CARD: dict[str, Any] = {
    "name": "easyanimate-v3-tiny",
    "description": "V3's structure in a few megabytes, trained on plain shapes that move; seconds a clip, no GPU.",
    "default_width": 96,
    "default_height": 96,
    "max_pixels": 65536,
    "max_side": 512,
    "min_side": 32,
    "max_frames": 24,
    "default_num_frames": 16,
    "fps": 8,
    "default_num_inference_steps": 10,
    "max_inference_steps": 200,
    "default_guidance_scale": 2.0,
    "default_scheduler": "euler",
    "schedulers": list(SCHEDULERS),
}
