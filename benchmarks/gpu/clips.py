"""A guided text-to-video from the prompt to the frames, as the first release of V3 computed it and as this one does."""

from collections.abc import Iterator
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from benchmarks.counts.naive_transformer import naive_forward
from benchmarks.gpu.layers import slice_work, step_work
from benchmarks.gpu.limits import Work
from benchmarks.gpu.plans import BenchmarkPlan, WholeClip
from benchmarks.gpu.records import Record
from benchmarks.gpu.timing import Stopwatch
from easyanimate.pipeline import Draws, Generation
from easyanimate.pipeline.schedulers.denoise import guide
from easyanimate.pipeline.schedulers.schedulers import make_scheduler, set_timesteps

PROMPT = "a large red circle moving to the right on a blue background"


def clip_records(watch: Stopwatch, plan: BenchmarkPlan, pipe: Any) -> Iterator[Record]:
    """Each whole clip twice; the limit is that of the products of this path, without the text encoder."""
    for whole in plan.whole:
        shape, work = f"{whole.clip}, {whole.steps} steps", clip_work(plan, whole)
        for way, render in (("this", render_clip), ("first release", naive_clip)):
            timing = watch.measure(lambda render=render, whole=whole: render(pipe, whole), warm_up=False)
            yield Record("whole clip", shape, way, timing, work)


def clip_work(plan: BenchmarkPlan, whole: WholeClip) -> Work:
    """Two rows of each step; the slices of a text-to-video, and of its seams."""
    slices, parts = whole.clip.num_frames // 8, slice_work(plan, whole.clip)
    encoded = parts["encode a slice"].times(2 + slices - 1)
    decoded = parts["decode three slices"].times((2 * slices - 1) / 3)
    return step_work(plan, whole.clip).times(2 * whole.steps) + encoded + decoded


def render_clip(pipe: Any, whole: WholeClip) -> int:
    """The frames of this path, counted."""
    request, draws = _request(whole), Draws.from_seed(0)
    latents = pipe.make_latents(request, pipe.encode_text(request), draws)
    return sum(len(frames) for frames in pipe.decode_frames(latents, draws))


@torch.no_grad()
def naive_clip(pipe: Any, whole: WholeClip) -> int:
    """All models are on the device; three whole videos are encoded, and the result is decoded twice."""
    request, vae, model = _request(whole), pipe.vae, pipe.transformer
    device, dtype = pipe._execution_device, model.dtype
    text = pipe.encode_prompt(request.prompts)
    video = torch.zeros(1, 3, request.num_frames, request.height, request.width, dtype=dtype, device=device)
    encoded = [vae.encode(each).latent_dist.mode() for each in (video, video + 1, video - 1)]
    inputs = {
        "inpaint_latents": torch.cat(encoded[1:], dim=1).expand(2, -1, -1, -1, -1),
        "encoder_hidden_states": text.embeds.to(dtype),
        "clip_encoder_hidden_states": torch.zeros(2, model.config["clip_embed_dim"], dtype=dtype, device=device),
        "clip_attention_mask": torch.zeros(2, model.config["num_clip_tokens"], dtype=dtype, device=device),
    }
    latents = _naive_denoising(model, request, inputs, torch.randn_like(encoded[0], dtype=torch.float32))
    return _naive_decoding(vae, latents.to(dtype))


def _naive_denoising(model: Any, request: Generation, inputs: dict[str, Tensor], latents: Tensor) -> Tensor:
    scheduler = make_scheduler(request.scheduler)
    timesteps = set_timesteps(scheduler, request.num_inference_steps, 1.0, latents.device)
    latents = latents * scheduler.init_noise_sigma
    for timestep in timesteps:
        rows = scheduler.scale_model_input(latents, timestep).to(inputs["inpaint_latents"].dtype)
        rows = rows.expand(2, -1, -1, -1, -1)
        patches = naive_forward(model, {**inputs, "hidden_states": rows, "timestep": timestep.float().expand(2)})
        estimate = guide(_unpatchify(patches, latents.shape).float(), request.guidance_scale)
        latents = scheduler.step(estimate, timestep, latents, return_dict=False)[0]
    return latents


def _unpatchify(patches: Tensor, shape: torch.Size) -> Tensor:
    """[B, N, 2 * 2 * 8] -> the noise [B, 4, F, H, W]."""
    pattern = "B (F h w) (p q C) -> B C F (h p) (w q)"
    return rearrange(patches, pattern, F=shape[2], h=shape[3] // 2, p=2, q=2)[:, :4]


def _naive_decoding(vae: Any, latents: Tensor) -> int:
    """A whole decode, and a second encode and decode without half a slice at both ends."""
    pixels = vae.decode(latents / vae.config["scaling_factor"]).sample.clamp(-1, 1)
    if pixels.shape[2] > 8:
        shifted = vae.decode(vae.encode(pixels[:, :, 4:-4]).latent_dist.mode()).sample
        pixels[:, :, 4:-4] = (pixels[:, :, 4:-4] + shifted) / 2
    return len((pixels.float() * 127.5 + 127.5).round().to(torch.uint8).cpu()[0, 0])


def _request(whole: WholeClip) -> Generation:
    clip = whole.clip
    return Generation(
        prompt=PROMPT,
        height=clip.height,
        width=clip.width,
        num_frames=clip.num_frames,
        num_inference_steps=whole.steps,
    )
