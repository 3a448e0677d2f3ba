"""Generation of one video by the engine: a loaded model, the inputs of a run, its frames and its result.

Only `worker.engine` imports this package. It imports `jobs`, `easyanimate`, and the packages `checkpoints`, `output`,
`protocol` and `models` of the worker.
"""
