"""The OpenAPI document: responses, headers, examples and webhooks.

`service.app` and `service.routes` import it. It imports `service.http` and `service.schemas`.
"""
