"""Speed and memory as ratios: two ways of doing the same, side by side in one run. `python -m benchmarks`."""
