"""Prompts, images, videos and settings of one clip, checked and converted to what the models read.

The pipeline, the schedulers and long videos import it. It imports the VAE, the windows, `schedulers` for their names
and limits, and `arguments`.
"""
