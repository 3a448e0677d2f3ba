"""The messages between the supervisor and the engine, and how the engine reports errors and progress.

`worker.attempt`, `worker.engine`, `worker.generation`, `worker.checkpoints` and `worker.output` import this package. It
may import `jobs.model`, `easyanimate.errors` and `worker.settings`; only `progress` needs torch.
"""
