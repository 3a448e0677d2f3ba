"""Schedulers with fixed settings, the denoising loop with its resumable state, and the random numbers of a request.

The pipeline, long videos, training and evaluation import it. It imports diffusers, `arguments` and the text context of
`inputs`.
"""
