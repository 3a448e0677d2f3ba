"""The supervisor process: takes tickets, leases jobs, runs attempts, and announces the worker's models.

Only `worker.__main__` and the tests import this package. It may import `worker.attempt`, the lower packages of
`worker`, and `jobs`; it imports neither torch nor the engine.
"""
