"""Failures of running jobs: public codes, whether a retry helps, and who can resolve them."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel

from jobs.model.stored import KeepsUnknown


class Blame(StrEnum):
    """Who can resolve a failure: the caller, the owner of the model, or the operator of the service."""

    CALLER = "caller"
    MODEL = "model"
    INFRASTRUCTURE = "infrastructure"


class Failure(BaseModel, frozen=True):
    """Why a job ended without a video; `message` is a sentence for the caller, without paths or tracebacks."""

    code: str
    message: str
    retryable: bool
    blame: Annotated[Blame, KeepsUnknown()]


# Codes are public: add, never rename. (sentence, retryable, blame)
_FAILURES = {
    "gpu_out_of_memory": ("The device ran out of memory; request fewer frames or a smaller size.", True, Blame.MODEL),
    "worker_lost": ("The worker was lost in each attempt at this video.", True, Blame.INFRASTRUCTURE),
    "poison_job": ("This request ended the process of each worker that ran it.", False, Blame.MODEL),
    "deadline_exceeded": ("The deadline passed before the video was finished.", True, Blame.CALLER),
    "execution_timeout": ("The engine sent no message for too long and was stopped.", True, Blame.INFRASTRUCTURE),
    "cancelled": ("The video was cancelled.", False, Blame.CALLER),
    "storage_unavailable": ("The finished video could not be stored.", True, Blame.INFRASTRUCTURE),
    "model_unavailable": ("The model could not be loaded.", True, Blame.INFRASTRUCTURE),
    "model_retired": ("The operator has retired the model of this video.", False, Blame.INFRASTRUCTURE),
    "invalid_output": ("The model produced numbers that are not an image.", True, Blame.MODEL),
    "invalid_video": ("The source video cannot be decoded; send a complete MP4.", False, Blame.CALLER),
    "invalid_lora": ("A LoRA cannot be used with this model.", False, Blame.CALLER),
    "moderation_refused": ("The operator's moderation refuses this video.", False, Blame.CALLER),
    "internal_error": ("An unexpected error occurred; the operator's log has the details.", True, Blame.INFRASTRUCTURE),
}

CODES = frozenset(_FAILURES)


def failure(code: str, message: str | None = None) -> Failure:
    """Returns the failure with this code, with its default sentence unless `message` is set."""
    sentence, retryable, blame = _FAILURES[code]
    return Failure(code=code, message=message or sentence, retryable=retryable, blame=blame)
