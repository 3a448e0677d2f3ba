"""What can go wrong between a model's publisher and the shelf."""

from easyanimate.errors import EasyAnimateError


class ModelStoreError(EasyAnimateError):
    """A model could not be put on the shelf: no way to the hub, no room, one of that name is there. Nothing changed."""
