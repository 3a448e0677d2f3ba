"""A training run: settings file, processes, training loop, logs, checkpoints and the written result.

`easyanimate.training.__main__`, `data`, `tasks` and `optimization` import it. It may import all of
`easyanimate.training` and accelerate.
"""
