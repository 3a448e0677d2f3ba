"""Access of callers: API keys, limits and idempotency of requests, counted and stored in Redis.

`service`, `cli` and `jobs.store` may import it. It may import `jobs.redis`, `jobs.model` and `jobs.errors`.
"""
