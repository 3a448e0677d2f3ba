"""Video, image and manifest files: writing, reading, comments, contact sheets and hashes.

The worker, the CLI, training and evaluation import it. It imports PyAV, Pillow, NumPy and the errors of the library,
but no torch.
"""
