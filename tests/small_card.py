"""The card of a small model, for tests without a worker."""

from jobs.model.model_card import ModelCard

SCHEDULERS = ("euler", "euler_ancestral", "dpmpp_2m", "pndm", "ddim")


def small_card(schedulers: tuple[str, ...] = SCHEDULERS) -> ModelCard:
    """A card with small limits."""
    return ModelCard(
        name="easyanimate-v3-tiny",
        default_width=128,
        default_height=128,
        max_pixels=256 * 256,
        max_side=512,
        min_side=64,
        max_frames=48,
        default_num_frames=16,
        default_num_inference_steps=10,
        default_guidance_scale=4.0,
        default_scheduler="euler",
        schedulers=schedulers,
    )
