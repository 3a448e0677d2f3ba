"""Losses: noise prediction of the transformer; perceptual, adversarial and anchor losses of the VAE; sampled steps.

`easyanimate.training.tasks` imports it. It may import `easyanimate.training.errors` and the models, but neither data
nor tasks.
"""
