"""Counts of the transformer and of a video on the meta device: bytes, operations, live tensors, slices."""
