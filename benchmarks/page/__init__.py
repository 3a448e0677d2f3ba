"""Writes docs/benchmarks.md from the results in benchmarks/results: `python -m benchmarks.page`."""
