"""From a validated body to accepted jobs: rules, dimensions, deadline, idempotency, capacity and admission.

The routes import it. It imports `service.resources`, `service.inputs`, `service.schemas`, `service.http` and `jobs`.
"""
