"""Errors between the publisher of a model and the models folder."""

from easyanimate.errors import EasyAnimateError


class ModelStoreError(EasyAnimateError):
    """A model could not be stored: hub unreachable, disk full, or the name is in use. Nothing has changed."""
