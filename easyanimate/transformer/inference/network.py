"""The whole transformer without gradients: embeddings, blocks with long skips, and the last projection."""

from typing import Any

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from easyanimate.transformer.context import join_context, without_masked
from easyanimate.transformer.inference.long_skips import LongSkips
from easyanimate.transformer.inference.norms import modulated
from easyanimate.transformer.inference.run_cache import BlockResidual, RunCache
from easyanimate.transformer.inputs import TransformerInputs
from easyanimate.transformer.positions import frame_positions


def infer(model: Any, inputs: TransformerInputs, cache: RunCache | None) -> Tensor:
    """Patches [B, N, p * p * 8] of checked inputs; `cache` keeps what the steps of a run have in common."""
    common = RunCache(keeps=False) if cache is None else cache
    frames, dtype = inputs.shape[2], inputs.noisy.dtype
    x = _tokens(model, inputs.latents(), common)  # [B, N, D]
    encoding = common.once("frames", frame_positions, frames, x.shape[-1], x.device).to(dtype)  # [F, D]
    if model.config["time_position_encoding_before_transformer"]:
        x.unflatten(1, (frames, -1)).add_(encoding[:, None])
    embedding, modulation = _modulation(model.adaln_single, inputs)
    context, bias = common.once("context", _context, model, inputs)
    x = _through_blocks(model, x, (modulation, context, bias, encoding, common), common.residual)
    shift, scale = (model.scale_shift_table + embedding[:, None]).chunk(2, dim=1)  # each [1 or B, 1, D]
    return model.proj_out(modulated(x, model.norm_out, shift, scale + 1))


def _tokens(model: Any, latents: Tensor, common: RunCache) -> Tensor:
    """[B, C, F, H, W] -> [B, N, D]: the patches of all frames as one product, with their positions."""
    embed = model.pos_embed
    frames, side = latents.shape[2], embed.patch_size
    rows, columns = latents.shape[3] // side, latents.shape[4] // side
    if type(embed.proj) is nn.Conv2d:
        patches = rearrange(latents, "B C F (h p) (w q) -> B (F h w) (C p q)", p=side, q=side)
        x = F.linear(patches, embed.proj.weight.flatten(1), embed.proj.bias)
    else:
        images = embed.proj(rearrange(latents, "B C F H W -> (B F) C H W"))
        x = rearrange(images, "(B F) D h w -> B (F h w) D", F=frames)
    positions = common.once("positions", embed.positions, rows, columns, x)
    x.unflatten(1, (frames, -1)).add_(positions)
    return x


def _modulation(layer: Any, inputs: TransformerInputs) -> tuple[Tensor, Tensor]:
    """The embedding [1 or B, D] and the modulation [1 or B, 6, D]: one row if all rows are one expanded timestep."""
    timestep = inputs.timestep
    if timestep.stride(0) == 0 and inputs.resolution is None:
        timestep = timestep[:1]
    return layer(timestep, inputs.resolution, inputs.aspect_ratio, inputs.noisy.dtype)


def _context(model: Any, inputs: TransformerInputs) -> tuple[Tensor, Tensor | None]:
    text, image = model.caption_projection(inputs.text), model.image_tokens(inputs.image)
    return without_masked(*join_context(text, inputs.text_mask, image, inputs.image_mask))


def _through_blocks(model: Any, x: Tensor, conditions: tuple[Any, ...], residual: BlockResidual) -> Tensor:
    """[B, N, D] -> [B, N, D]; the layer of a long skip is applied at its source, so that `x` can change in place."""
    into = model.links()
    layers = {source: layer for source, layer in into.values()}
    skips = LongSkips(on_host=model.long_skips_on_host)
    before: Tensor | None = None
    for i, block in enumerate(model.transformer_blocks):
        if i in into:
            skips.add_to(x, into[i][0])
        x = block(x, *conditions)
        if i == 0 and residual.reuses:
            return residual.add_to(x)
        if i in layers:
            skips.keep(i, layers[i](x))
        if i == 0:
            before = residual.begin(x, on_host=model.residual_on_host)
    residual.end(x, before)
    return x
