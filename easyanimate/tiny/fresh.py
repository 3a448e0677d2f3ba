"""The small model before its training: the classes of V3 at a fortieth of the width, with random weights."""

from pathlib import Path

import torch

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.pipeline.schedulers.schedulers import make_scheduler
from easyanimate.tiny.models import (
    make_image_encoder,
    make_image_processor,
    make_text_encoder,
    make_transformer,
    make_vae,
)
from easyanimate.tiny.tokenizer import make_tokenizer
from easyanimate.vae import AutoencoderKLSlice


def make_fresh_pipeline(folder: Path, vae: AutoencoderKLSlice | None = None, *, seed: int = 0) -> EasyAnimatePipeline:
    """The pipeline with random weights, by `seed`, and with `vae` if there is a trained one.

    The file of the tokenizer is written to `folder`/tokenizer.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = make_tokenizer(folder / "tokenizer")
        return EasyAnimatePipeline(
            tokenizer=tokenizer,
            text_encoder=make_text_encoder(len(tokenizer)),
            image_encoder=make_image_encoder(),
            image_processor=make_image_processor(),
            vae=vae or make_vae(),
            transformer=make_transformer(),
            scheduler=make_scheduler("euler"),
        )
