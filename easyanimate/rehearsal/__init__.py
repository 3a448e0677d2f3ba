"""A rehearsal at full size: a model with seeded random weights in the published layout, from the file to the frames."""
