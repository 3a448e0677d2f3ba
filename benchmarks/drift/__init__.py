"""Drift: how far brightness, contrast, sharpness and colour move over many windows, for several ways to continue."""
