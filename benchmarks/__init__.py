"""Measures speed and memory as ratios of two implementations in one run: `python -m benchmarks`."""
