"""Pydantic models of request bodies and responses.

All packages of `service` above HTTP import it. It imports `jobs` and `service.http`.
"""
