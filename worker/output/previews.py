"""Previews of a running job: the model's estimate of the clean video at a step, as one small image.

Only the slice in the middle of the clip is decoded, one of dozens, on the device of the model.
"""

from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from easyanimate.geometry import LATENTS_PER_SLICE
from easyanimate.pipeline import ClipStages
from easyanimate.pipeline.decoding import decode_pieces, to_uint8
from jobs.warning_texts import NO_PREVIEWS
from worker.output.thumbnails import shrink
from worker.protocol.control import RunControl
from worker.protocol.messages import Preview

SIDE = 256  # pixels of the longer side


class Previews:
    """Sends a preview after every `every_steps` steps of denoising; with None it sends none."""

    def __init__(self, pipe: ClipStages, control: RunControl, every_steps: int | None, memory: str) -> None:
        self.pipe = pipe
        self.control = control
        self.every_steps = every_steps if memory == "normal" else None
        self.warnings = (NO_PREVIEWS.fill(),) if every_steps and memory != "normal" else ()

    def after_step(self, done: int, total: int, original: Tensor) -> None:
        """Sends a preview if one is due. `original` [1, 4, f, h, w] are the estimated clean latents."""
        if self.every_steps is None or done % self.every_steps or done >= total:
            return
        image = shrink(self._middle(original), SIDE)
        data = BytesIO()
        image.save(data, "WEBP", quality=75)
        self.control.send(Preview(data.getvalue(), done, total))

    @torch.inference_mode()
    def _middle(self, original: Tensor) -> Any:
        """A frame [H, W, 3] of uint8 from the middle of the clip."""
        first = original.shape[2] // 2 // LATENTS_PER_SLICE * LATENTS_PER_SLICE
        part = original[:, :, first : first + LATENTS_PER_SLICE].nan_to_num(0.0)
        frames = torch.cat(list(decode_pieces(self.pipe.vae, part, smooth=False, draw_noise=None)))
        return to_uint8(frames[len(frames) // 2]).cpu().numpy()
