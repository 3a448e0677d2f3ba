"""Measures the goals of exact speed, one part at a time: `python -m benchmarks.speed PART`."""
