"""The error of a training that cannot start or continue."""

from easyanimate.errors import EasyAnimateError


class TrainingError(EasyAnimateError):
    """Invalid settings, unreadable data, an unsuitable checkpoint, a loss that is not finite, or a full disk.

    The message is for the user. Everything that was saved before stays valid.
    """
