"""Initial weights, attention kernels and measurements of the models in training.

`easyanimate.training.tasks` imports it. It may import the models, `easyanimate.weights`, `easyanimate.training.errors`
and `easyanimate.training.shapes`.
"""
