"""The Slice VAE: pixels to latents and back, eight frames at a time, 8x8 in space and 4x in time."""

from easyanimate.vae.autoencoder import AutoencoderKLSlice
from easyanimate.vae.smoothing import smooth_seams

__all__ = ["AutoencoderKLSlice", "smooth_seams"]
