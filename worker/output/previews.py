"""How a video looks before it is done: what the model believes at a step, as a small picture from its middle.

The latents of a step are decoded as they would be if there were no noise left in them, and only the slice in the
middle of the clip: one of dozens, on the device where the model is anyway.
"""

from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from easyanimate import EasyAnimatePipeline
from easyanimate.geometry import LATENTS_PER_SLICE
from easyanimate.pipeline.decoding import decode_pieces, to_uint8
from worker.output.thumbnails import shrunk
from worker.protocol.control import RunControl
from worker.protocol.messages import Preview

SIDE = 256  # pixels of the longer side
NO_MEMORY = "previews: none were made, because this worker saves memory and has only one model at hand at a time"


class Previews:
    """Tells a preview after every `every_steps` steps of denoising; never with None."""

    def __init__(self, pipe: EasyAnimatePipeline, contact: RunControl, every_steps: int | None, memory: str) -> None:
        self.pipe = pipe
        self.contact = contact
        self.every_steps = every_steps if memory == "normal" else None
        self.warnings = (NO_MEMORY,) if every_steps and memory != "normal" else ()

    def after_step(self, done: int, total: int, original: Tensor) -> None:
        """`done` of `total` steps are done; `original` [1, 4, f, h, w] are the clean latents as they seem now."""
        if self.every_steps is None or done % self.every_steps or done >= total:
            return
        picture = shrunk(self._middle(original), SIDE)
        data = BytesIO()
        picture.save(data, "WEBP", quality=75)
        self.contact.tell(Preview(data.getvalue(), done, total))

    @torch.inference_mode()
    def _middle(self, original: Tensor) -> Any:
        """A frame [H, W, 3] of uint8 from the middle of the clip."""
        first = original.shape[2] // 2 // LATENTS_PER_SLICE * LATENTS_PER_SLICE
        part = original[:, :, first : first + LATENTS_PER_SLICE].nan_to_num(0.0)
        frames = torch.cat(list(decode_pieces(self.pipe.vae, part, smooth=False, draw_noise=None)))
        return to_uint8(frames[len(frames) // 2]).cpu().numpy()
