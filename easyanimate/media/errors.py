"""The error for media that cannot be used."""


class UnsupportedMedia(ValueError):
    """A file that cannot be used. The message continues "video ...", as in "is mirrored; send it upright"."""
