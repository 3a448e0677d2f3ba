"""Connections to Redis: addresses, retries, command batches, the shared clock and the names of keys.

The packages of `jobs` and the processes import it. It imports `jobs.model` and `jobs.errors`.
"""
