"""The computation of the transformer without gradients: the same mathematics with fewer passes over the tokens.

Results equal those of the modules' own `forward` up to rounding. Residuals are added in place.
"""
