"""Clips for training: the procedural set and lists of files, their masks, and their encoded latents.

`easyanimate.training.tasks` imports it. It may import `shapes`, `optimization`, the settings classes,
`easyanimate.files` and the VAE.
"""
