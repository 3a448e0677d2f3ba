"""The number of tokens of a prompt: request and response."""

from typing import Literal

from pydantic import BaseModel, Field

from service.schemas.request_model import Flag, RequestModel
from service.schemas.requests.field_types import Prompt


class CountTokens(RequestModel):
    """A prompt whose tokens are counted."""

    prompt: Prompt
    clean_caption: Flag = Field(True, description="As in a request for a video.")


class PromptTokens(BaseModel):
    """The tokens of a prompt, with the end token. A model reads the first `limit` of them."""

    object: Literal["prompt_tokens"] = "prompt_tokens"
    model: str
    tokens: int | None = Field(
        description="Null if it cannot be known before the run: the prompt has letters that the tokenizer may replace, "
        "or no worker has announced the tokenizer."
    )
    limit: int | None
