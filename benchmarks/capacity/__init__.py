"""Capacity: a simulation of many workers, and a load test of the real queue with 200 workers without a model."""
