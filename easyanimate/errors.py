"""Errors of the model library.

EasyAnimateError
├── InvalidInput        an argument that the model cannot work with; the message says what would work
├── CheckpointError     a folder or file of weights that does not fit; the message names the file and the keys
├── NotFinite           the result holds NaN or infinity
├── StateMismatch       a state to resume from belongs to something else
├── ExchangeFailed      the two processes of guidance cannot exchange their results
└── Interrupted         the step callback requested a stop
"""


class EasyAnimateError(Exception):
    """Base class of the errors of the model library."""


class InvalidInput(EasyAnimateError, ValueError):
    """An argument that the model cannot work with."""


class CheckpointError(EasyAnimateError):
    """A folder or file of weights that is damaged, incomplete, or belongs to another model."""


class NotFinite(EasyAnimateError):
    """The result holds NaN or infinity, which would be shown as black frames."""


class StateMismatch(EasyAnimateError):
    """A state to resume from that belongs to another clip, or was created on another device."""


class ExchangeFailed(EasyAnimateError):
    """The two processes of guidance cannot exchange their results: one has ended, or does not answer in time."""


class Interrupted(EasyAnimateError):
    """The step callback of the caller requested a stop."""
