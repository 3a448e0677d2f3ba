"""What can be trained: VAE, transformer and LoRA, each with its settings, its batches and its loss.

`easyanimate.training.run.command` and the recipe of the small model import it. It may import `data`, `losses`, `models`
and `optimization` of this package, the models and the pipeline.
"""
