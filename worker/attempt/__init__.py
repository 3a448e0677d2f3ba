"""One attempt at a job, from its inputs to its outcome: lease and heartbeat, engine, checkpoints, upload.

Only `worker.supervisor` imports this package. It may import `worker.checkpoints.store`, `worker.protocol`,
`worker.models` and `jobs`, and it does not import torch.
"""
