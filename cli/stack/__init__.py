"""The service on one machine: Redis, API, keeper and worker as child processes.

Commands, checks and tests import this package. It imports `cli.settings`, `easyanimate.tiny`, and `parent_death` of
the worker.
"""
