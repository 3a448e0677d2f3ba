"""The queue of waiting jobs: its order, RQ tickets, load, models and workers, and notifications of changes.

The store, the service and the worker import it. It imports `jobs.model`, `jobs.redis` and `jobs.errors`.
"""
