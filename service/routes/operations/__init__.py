"""The routes for models, queues, health and metrics.

Only `service.app` imports it. It imports `service.dependencies`, `service.submission` and `service.openapi`.
"""
