"""Webhooks: the outbox, deliveries and their ledger, endpoints of callers, payloads and signatures.

`service`, `worker.keeper` and `jobs.store` may import it. It may import `jobs.redis`, `jobs.model` and `jobs.errors`.
"""
