"""Stored windows of long videos and films: equal runs of one caller take them instead of generating them again.

`worker.attempt` imports `transfer`, `worker.generation` imports `reuse` and `recorder`. They may import `jobs`,
`worker.checkpoints` and `worker.protocol`; only `reuse`, `reader` and `recorder` may import torch and `easyanimate`.
"""
