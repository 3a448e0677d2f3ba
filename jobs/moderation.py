"""The moderation hook: a service of the operator that allows or refuses prompts, inputs and outputs.

A request is JSON, signed like a webhook (`jobs/webhooks/signature.py`). The reply is `{"allow": true}` or
`{"allow": false, "reason": "…"}`; anything else is a failure, and the setting `moderation_on_error` decides.
docs/decisions/0056-moderation-hook.md has the reasons.
"""

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import structlog
from pydantic import BaseModel, StrictBool, ValidationError
from redis import Redis

from jobs.errors import QueueUnavailable
from jobs.model.request import VideoRequest
from jobs.outbound_http import AddressBlocked, OutboundClient, RequestFailed
from jobs.redis.connection import redis_errors
from jobs.settings import Settings
from jobs.store import counters
from jobs.webhooks.signature import signed_headers

log = structlog.get_logger()

MODERATION_TIMEOUT_S = 5.0  # of one request, with all files and the reply
MAX_MODERATED_BYTES = 32 << 20  # of one file; of a larger one the request has the name and the size only
MAX_REPLY_BYTES = 64 << 10
MAX_REASON_CHARS = 300
NOT_CHECKED = "it could not be checked, because the operator's moderation does not answer; try again later"


class ModerationStage(StrEnum):
    """What is checked: the prompts or the input files of a request, or the result of a job."""

    PROMPT = "prompt"
    INPUT = "input"
    OUTPUT = "output"


class ModerationFailed(Exception):
    """The hook gives no verdict; the message is for the log of the operator. `status` is that of a response."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ModeratedFile:
    """A file to check. `data` is None for one with more than `MAX_MODERATED_BYTES`."""

    name: str
    content_type: str
    size_bytes: int
    data: bytes | None


@dataclass(frozen=True)
class ModerationCase:
    """One question to the hook. `video_id` is None before a video is accepted."""

    stage: ModerationStage
    owner: str
    request: VideoRequest
    files: Sequence[ModeratedFile] = ()
    video_id: str | None = None

    def body(self) -> str:
        """The JSON of the request."""
        fields: dict[str, Any] = {
            "object": "moderation",
            "stage": self.stage.value,
            "video_id": self.video_id,
            "owner": self.owner,
            "model": self.request.model,
            "prompt": self.request.prompt,
            "negative_prompt": _negative_prompt(self.request),
            "files": [_file_fields(file) for file in self.files],
        }
        return json.dumps(fields, ensure_ascii=False)


def _negative_prompt(request: VideoRequest) -> str:
    """The negative prompts of a film, each once; of other videos the only one."""
    texts = dict.fromkeys((request.negative_prompt, *(shot.negative_prompt for shot in request.shots)))
    return "\n".join(text for text in texts if text)


@dataclass(frozen=True)
class Verdict:
    """Whether the case is allowed, and the reason of a refusal. `is_checked` is False if the hook failed."""

    allow: bool
    reason: str = ""
    is_checked: bool = True


class ModerationReply(BaseModel):
    """The reply of the hook; other fields are ignored. A reason that is no text is left out: the verdict counts."""

    allow: StrictBool
    reason: Any = None


class ModerationHook:
    """The address of the hook and the secret that signs the requests to it."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.secret = url, secret
        self.client = OutboundClient(allow_private=True, timeout_s=MODERATION_TIMEOUT_S)

    def request(self, case: ModerationCase) -> Verdict:
        """The verdict of the hook. Raises ModerationFailed."""
        body = case.body()
        try:
            headers = signed_headers([self.secret], f"mod_{secrets.token_hex(12)}", body, time.time())
        except ValueError as error:
            raise ModerationFailed("the secret is not whsec_ followed by base64") from error
        headers["content-type"] = "application/json"
        try:
            content = self.client.exchange(self.url, body.encode("utf-8", "replace"), headers, MAX_REPLY_BYTES)
            reply = ModerationReply.model_validate_json(content)
        except AddressBlocked as error:
            raise ModerationFailed(str(error)) from error
        except RequestFailed as error:
            raise ModerationFailed(str(error), error.status) from error
        except ValidationError as error:
            raise ModerationFailed('the reply is not {"allow": true or false, "reason": "…"}') from error
        return Verdict(reply.allow, _plain_reason(reply.reason))


class Moderator:
    """The moderation of an installation. It is called in threads, never on an event loop."""

    def __init__(self, url: str, secret: str, *, allows_on_error: bool, redis: Redis) -> None:
        self.hook, self.redis = ModerationHook(url, secret), redis
        self.verdict_of_failure = Verdict(allows_on_error, NOT_CHECKED, is_checked=False)

    @classmethod
    def from_settings(cls, settings: Settings, redis: Redis) -> Self | None:
        """The hook of these settings; None without one."""
        if settings.moderation_url is None:
            return None
        allows = settings.moderation_on_error == "allow"
        return cls(settings.moderation_url, settings.secret_for("moderation"), allows_on_error=allows, redis=redis)

    def check(self, case: ModerationCase) -> Verdict:
        """The verdict of the hook, requested once; after a failure that of the setting."""
        try:
            return self.try_check(case)
        except ModerationFailed:
            return self.verdict_of_failure

    def try_check(self, case: ModerationCase) -> Verdict:
        """The verdict of the hook. Each call is counted. Raises ModerationFailed."""
        try:
            verdict = self.hook.request(case)
        except ModerationFailed as error:
            self.count_failure(case.stage, str(error))
            raise
        if not verdict.allow:
            log.info("moderation.refused", stage=case.stage.value, owner=case.owner, job_id=case.video_id)
        self._count(case.stage, "allowed" if verdict.allow else "refused")
        return verdict

    def count_failure(self, stage: ModerationStage, reason: str) -> None:
        """Logs and counts a check without a verdict."""
        log.warning("moderation.failed", stage=stage.value, reason=reason)
        self._count(stage, "failed")

    def _count(self, stage: ModerationStage, outcome: str) -> None:
        with suppress(QueueUnavailable), redis_errors():  # the verdict counts, not its statistics
            counters.count(self.redis, counters.MODERATIONS, stage.value, outcome)


def refusal_sentence(subject: str, verdict: Verdict) -> str:
    """The sentence for the caller about a refused `subject`, such as "the prompt"."""
    if not verdict.is_checked:
        return f"{subject} is refused: {verdict.reason}"
    return f"the operator's moderation refuses {subject}" + (f": {verdict.reason}" if verdict.reason else "")


def _plain_reason(reason: Any) -> str:
    """The reason on one line, without characters that a terminal would act on; empty if it is no text."""
    text = reason if isinstance(reason, str) else ""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:MAX_REASON_CHARS]


def _file_fields(file: ModeratedFile) -> dict[str, Any]:
    data = None if file.data is None else b64encode(file.data).decode()
    return {"name": file.name, "content_type": file.content_type, "size_bytes": file.size_bytes, "data": data}
