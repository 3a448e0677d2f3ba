"""How a running job can fail: public codes, whether a second try helps, and whose fault it was."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Blame(StrEnum):
    """Who can do something about a failure: who asked, who chose the model, or who runs the service."""

    CALLER = "caller"
    MODEL = "model"
    INFRASTRUCTURE = "infrastructure"


class Failure(BaseModel):
    """Why a job ended without a video; `message` is a sentence for the caller, without paths or traces."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    retryable: bool
    blame: Blame


# Codes are for ever: add, never rename. (sentence, retryable, blame)
_KNOWN = {
    "gpu_out_of_memory": ("The device ran out of memory; ask for fewer frames or a smaller size.", True, Blame.MODEL),
    "worker_lost": ("The worker was lost again and again while making this video.", True, Blame.INFRASTRUCTURE),
    "poison_job": ("This request ended the process of every worker that tried it.", False, Blame.MODEL),
    "deadline_exceeded": ("The deadline passed before the video was done.", True, Blame.CALLER),
    "execution_timeout": ("Making this video took longer than a job may take.", True, Blame.INFRASTRUCTURE),
    "cancelled": ("The video was cancelled.", False, Blame.CALLER),
    "storage_unavailable": ("The finished video could not be stored.", True, Blame.INFRASTRUCTURE),
    "model_unavailable": ("The model could not be loaded.", True, Blame.INFRASTRUCTURE),
    "invalid_output": ("The model produced numbers that are not a picture.", True, Blame.MODEL),
    "invalid_video": ("The video that was sent cannot be decoded; send a whole MP4.", False, Blame.CALLER),
    "invalid_lora": ("A LoRA cannot be used with this model.", False, Blame.CALLER),
    "internal_error": ("Something unexpected went wrong; the operator's log knows more.", True, Blame.INFRASTRUCTURE),
}

CODES = frozenset(_KNOWN)


def failure(code: str, message: str | None = None) -> Failure:
    """The failure with this code, with its usual sentence unless a better one is at hand."""
    sentence, retryable, blame = _KNOWN[code]
    return Failure(code=code, message=message or sentence, retryable=retryable, blame=blame)
