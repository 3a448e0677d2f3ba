"""What can go wrong inside the model library.

EasyAnimateError
├── InvalidInput        an argument the model cannot work with; says which, and what would work
├── CheckpointError     a weights folder or file that does not fit; names the file and the keys
├── NotFinite           the model made NaN or infinity instead of a picture
├── StateMismatch       a state to go on from that belongs to something else
└── Interrupted         the step callback asked to stop
"""


class EasyAnimateError(Exception):
    """Something in the model library went wrong."""


class InvalidInput(EasyAnimateError, ValueError):
    """An argument the model cannot work with."""


class CheckpointError(EasyAnimateError):
    """A folder or file of weights that is damaged, incomplete, or made for another model."""


class NotFinite(EasyAnimateError):
    """The model made NaN or infinity: black frames, if anyone looked."""


class StateMismatch(EasyAnimateError):
    """A state to go on from that belongs to another clip, or was made on another device."""


class Interrupted(EasyAnimateError):
    """The caller's step callback asked to stop."""
