"""Checkpoints of running jobs: their format, how the engine writes them, and how the supervisor stores them.

`worker.attempt` imports `store`, the engine imports `writer`. Both may import `jobs` and `worker.protocol`; only
`writer` and `state_file` may import torch and `easyanimate`.
"""
