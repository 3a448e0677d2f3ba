"""Optimizers, learning rates, random numbers of a step, and the settings that a resumed training must keep.

`easyanimate.training.run`, `tasks` and `data` may import it. It may import `easyanimate.training.errors` and the
settings classes of `easyanimate.training.run.configuration`.
"""
