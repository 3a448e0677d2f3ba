"""The small model `easyanimate-v3-tiny`, for machines without a GPU: its weights (`model/`) and its recipe (`recipe/`).

The CLI, `easyanimate.models` and the tests import it. It may import the models, the pipeline and
`easyanimate.training`; the modules `shipped` and `card` import no torch.
"""

from easyanimate.tiny.shipped import TINY_MODEL, copy_tiny_model, is_tiny_model

__all__ = ["TINY_MODEL", "copy_tiny_model", "is_tiny_model"]
