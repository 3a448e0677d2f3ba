"""Traces of videos with OpenTelemetry, which only `export.py` and `redaction.py` import.

A process calls `start.start_traces`; without an endpoint nothing more is imported, and spans cost a method call.
"""
