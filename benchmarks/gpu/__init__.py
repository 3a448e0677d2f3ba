"""`make bench-gpu`: speed and memory of the published model with random weights on one device, without a network."""
