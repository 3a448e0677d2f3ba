"""The small model `easyanimate-v3-tiny`: V3's structure in a few megabytes, for machines without a GPU."""

import json
from pathlib import Path

import torch

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.pipeline.schedulers import make_scheduler
from easyanimate.tiny.card import CARD
from easyanimate.tiny.models import (
    make_image_encoder,
    make_image_processor,
    make_text_encoder,
    make_transformer,
    make_vae,
)
from easyanimate.tiny.tokenizer import make_tokenizer

TINY_MODEL = CARD["name"]

__all__ = ["CARD", "TINY_MODEL", "make_tiny_model"]


def make_tiny_model(folder: Path, *, seed: int = 0) -> Path:
    """Write the model to `folder`, in the published layout and float16. The same seed gives the same bytes.

    Its weights are random, so it makes moving texture; pictures take training.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = make_tokenizer(folder / "tokenizer")
        pipe = EasyAnimatePipeline(
            tokenizer=tokenizer,
            text_encoder=make_text_encoder(len(tokenizer)),
            image_encoder=make_image_encoder(),
            image_processor=make_image_processor(),
            vae=make_vae(),
            transformer=make_transformer(),
            scheduler=make_scheduler("euler"),
        )
    for network in (pipe.text_encoder, pipe.image_encoder, pipe.vae, pipe.transformer):
        network.half().eval()
    pipe.save_pretrained(folder)
    (folder / "card.json").write_text(json.dumps(CARD, indent=2) + "\n", encoding="utf-8")
    return folder
