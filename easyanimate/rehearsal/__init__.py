"""A rehearsal at full size: a model with seeded random weights in the published layout, from its files to the frames.

The command `easyanimate models rehearse` and the tests import it. It may import the models, the pipeline, the estimates
of memory and `easyanimate.models`.
"""
