"""Model folders: downloading from the hub, importing archives, listing, lookup by name, and checks.

The CLI and the worker's settings import it. It imports the models, weights and pipeline loading of the library.
"""
