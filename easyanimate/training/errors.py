"""Why a training cannot begin or go on, in a sentence for its user. Nothing that was saved is lost by it."""

from easyanimate.errors import EasyAnimateError


class TrainingError(EasyAnimateError):
    """A configuration, data or a checkpoint that does not fit, a loss that is no number, a disk that is full."""
