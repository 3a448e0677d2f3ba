"""No encoder computes a result twice: equal slices of a clip, repeated prompts, images and shapes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from easyanimate.lora import LoraFile, LowRank, applied, flat_name
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation
from easyanimate.pipeline.encoder_cache import EncoderCache
from easyanimate.pipeline.inputs.conditioning import InpaintInput, prepare_inpaint_input
from easyanimate.pipeline.inputs.video_encoding import encode_video

FEW = {"prompt": "a red circle", "height": 32, "width": 32, "num_frames": 24, "num_inference_steps": 1}
TEXT_LAYER = "encoder.block.0.layer.0.SelfAttention.q"


@pytest.fixture
def cached(pipe: EasyAnimatePipeline) -> EasyAnimatePipeline:
    """A pipeline with the same models and a cache of its own."""
    other = EasyAnimatePipeline.from_pipe(pipe)
    names = ("text_encoder", "image_encoder", "vae")
    other.encoder_cache = EncoderCache({name: getattr(other, name) for name in names})
    return other


@pytest.fixture
def calls(pipe: EasyAnimatePipeline) -> Iterator[dict[str, int]]:
    """How often the text encoder, the image encoder, and the encoder of the VAE were called."""
    numbers = dict.fromkeys(("text", "image", "slices"), 0)

    def count(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            numbers[name] += 1

        return hook

    models = {"text": pipe.text_encoder, "image": pipe.image_encoder, "slices": pipe.vae.encoder}
    handles = [model.register_forward_hook(count(name)) for name, model in models.items()]
    yield numbers
    for handle in handles:
        handle.remove()


def encode(pipe: EasyAnimatePipeline, **changes: Any) -> Any:
    request = Generation(**{**FEW, **changes})
    return pipe.encode(request, pipe.encode_text(request), Draws.of(0))


def test_a_text_clip_of_144_frames_encodes_19_slices_and_17_with_its_shape_in_the_cache(
    cached: EasyAnimatePipeline, calls: dict[str, int]
) -> None:
    for expected in (19, 17):
        calls["slices"] = 0
        encode(cached, num_frames=144, height=16, width=16)
        for _ in cached.decode_frames(torch.zeros(1, 4, 36, 2, 2), Draws.of(0)):
            pass
        assert calls["slices"] == expected


@pytest.mark.parametrize(("last", "slices"), [(None, 4), (Image.new("RGB", (32, 32), "blue"), 6)])
def test_an_image_clip_encodes_only_the_slices_that_differ(
    last: Image.Image | None, slices: int, pipe: EasyAnimatePipeline, calls: dict[str, int], start_image: Image.Image
) -> None:
    encode(pipe, image=start_image, last_image=last, num_frames=48)
    assert calls["slices"] == slices


def mask_of_the_left() -> Image.Image:
    mask = Image.new("L", (32, 32), 0)
    mask.paste(255, (0, 0, 16, 32))
    return mask


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["text", "image", "both ends", "video"])
def test_latents_equal_those_of_the_whole_video(
    kind: str, dtype: torch.dtype, pipe: EasyAnimatePipeline, start_image: Image.Image
) -> None:
    inputs: dict[str, Any] = {
        "text": {},
        "image": {"image": start_image},
        "both ends": {"image": start_image, "last_image": start_image.rotate(180)},
        "video": {"video": [start_image.rotate(i) for i in range(24)], "mask": mask_of_the_left()},
    }[kind]
    inpaint = prepare_inpaint_input(Generation(**FEW, **inputs))
    pipe.vae.to(dtype)
    try:
        for slices, whole in videos(inpaint):
            observed = encode_video(pipe.vae, slices, noise())
            posterior = pipe.vae.encode(whole.to(dtype)).latent_dist
            expected = posterior.sample_with(noise()(posterior.mean.shape).to(dtype))
            assert torch.equal(observed, expected * pipe.vae.config["scaling_factor"])
    finally:
        pipe.vae.to(torch.float32)


def videos(inpaint: InpaintInput) -> list[tuple[Iterator[Tensor], Tensor]]:
    return [(inpaint.mask_slices(), inpaint.mask_video()), (inpaint.masked_slices(), inpaint.masked_video())]


def noise() -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(0)
    return lambda shape: torch.randn(tuple(shape), generator=generator)


def test_a_repeated_prompt_calls_no_text_encoder(cached: EasyAnimatePipeline, calls: dict[str, int]) -> None:
    first, second = (cached.encode_prompt(["", "A red circle"]) for _ in range(2))
    assert calls["text"] == 1
    assert torch.equal(first.embeds, second.embeds)
    cached.encode_prompt(["", "a blue circle"])
    assert calls["text"] == 2


def test_a_repeated_image_calls_no_image_encoder(
    cached: EasyAnimatePipeline, calls: dict[str, int], start_image: Image.Image
) -> None:
    first, second = (cached.encode_image(start_image, rows=2)[0] for _ in range(2))
    assert calls["image"] == 1
    assert torch.equal(first, second)
    assert not torch.equal(cached.encode_image(start_image.rotate(180), rows=2)[0], first)


def test_a_lora_of_the_text_encoder_is_never_served_from_the_cache(cached: EasyAnimatePipeline) -> None:
    before = cached.encode_prompt("a red circle").embeds
    width = cached.text_encoder.get_submodule(TEXT_LAYER)
    low_rank = LowRank(torch.ones(1, width.in_features), torch.ones(width.out_features, 1), 1.0)
    with applied(cached, [(LoraFile("style", {}, {flat_name(TEXT_LAYER): low_rank}), 1.0)]):
        assert not torch.equal(cached.encode_prompt("a red circle").embeds, before)
    assert torch.equal(cached.encode_prompt("a red circle").embeds, before)


def test_another_number_type_is_another_result() -> None:
    model = nn.Linear(2, 2)
    cache = EncoderCache({"model": model})
    results = [cache.get_or_compute("model", "same", lambda: (model.weight.detach().clone(),)) for _ in range(2)]
    assert results[0] is results[1]
    model.bfloat16()
    assert cache.get_or_compute("model", "same", lambda: (model.weight.detach(),))[0].dtype == torch.bfloat16


def test_the_cache_drops_the_least_recently_used_results_beyond_its_bytes() -> None:
    cache = EncoderCache({"model": nn.Identity()}, max_bytes=80)
    computed: list[str] = []

    def read(content: str) -> None:
        def compute() -> tuple[Tensor, ...]:
            computed.append(content)
            return (torch.zeros(10),)  # 40 bytes

        cache.get_or_compute("model", content, compute)

    for content in ("a", "b", "a", "c", "a", "b"):
        read(content)
        assert cache.nbytes <= 80
    assert computed == ["a", "b", "c", "b"]
