"""Rendering on this machine without a service: the recipe of a video, the loaded model, and a start image.

`cli.commands` imports this package. It imports `easyanimate` and `jobs.model`.
"""
