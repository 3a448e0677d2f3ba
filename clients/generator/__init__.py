"""Generates code of both clients from the snapshot of the OpenAPI document, during development."""
