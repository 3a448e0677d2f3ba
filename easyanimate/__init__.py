"""Contains EasyAnimateV3 as a library: Slice VAE, hybrid-motion diffusion transformer and pipeline.

`worker` and `cli` may import all of it, `jobs` and `service` only plain values: `geometry`, `buckets`, and of `media`
the `description`, `formats` and `probe.messages`. It may import no other package of the project.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from easyanimate.pipeline import EasyAnimatePipeline, EasyAnimatePipelineOutput
    from easyanimate.transformer import EasyAnimateTransformer3DModel
    from easyanimate.vae import AutoencoderKLSlice

__all__ = [
    "AutoencoderKLSlice",
    "EasyAnimatePipeline",
    "EasyAnimatePipelineOutput",
    "EasyAnimateTransformer3DModel",
]

# Each name is imported at its first use, so that `easyanimate.geometry` can be imported without torch.
_MODULE_OF = {
    "AutoencoderKLSlice": "easyanimate.vae",
    "EasyAnimatePipeline": "easyanimate.pipeline",
    "EasyAnimatePipelineOutput": "easyanimate.pipeline",
    "EasyAnimateTransformer3DModel": "easyanimate.transformer",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'easyanimate' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
