"""The check of the moderation hook: two requests, one with the right signature and one with a wrong one."""

import secrets
from base64 import b64encode
from collections.abc import Iterator

from cli.checks.result import CheckResult, broken, ok, warning
from jobs.model.request import VideoRequest
from jobs.moderation import ModerationCase, ModerationFailed, ModerationHook, ModerationStage
from jobs.settings import Settings

PROMPT = "a red ball on a meadow"
REFUSED_SIGNATURE = (400, 401, 403)
REQUEST = VideoRequest(
    model="doctor",
    prompt=PROMPT,
    width=64,
    height=64,
    num_frames=8,
    fps=8,
    num_inference_steps=1,
    guidance_scale=1.0,
    scheduler="euler",
    seed=0,
)
CASE = ModerationCase(ModerationStage.PROMPT, "easyanimate-doctor", REQUEST)


def check_moderation(settings: Settings) -> Iterator[CheckResult]:
    """Whether the hook answers, allows a harmless prompt, and refuses a wrong signature; nothing without a hook."""
    if settings.moderation_url is None:
        return
    try:
        verdict = ModerationHook(settings.moderation_url, settings.secret_for("moderation")).request(CASE)
    except ModerationFailed as error:
        yield _failed(settings, error)
        return
    if verdict.allow:
        yield ok("moderation", f"the hook answers, and allows “{PROMPT}”")
    else:
        reason = f": {verdict.reason}" if verdict.reason else ""
        yield warning(
            "moderation", f"the hook refuses “{PROMPT}”{reason}", "look at its rules; it may refuse everything"
        )
    if _accepts_wrong_signature(settings.moderation_url):
        advice = "verify the headers of Standard Webhooks in the hook; docs/operations/moderation.md has an example"
        yield warning("moderation", "the hook answers a request with a wrong signature", advice)


def _failed(settings: Settings, error: ModerationFailed) -> CheckResult:
    if error.status in REFUSED_SIGNATURE:
        advice = "give the hook and the service the same EASYANIMATE_MODERATION_SECRET, and compare their clocks"
        return broken("moderation", f"the hook refuses the signature, with the status {error.status}", advice)
    if settings.moderation_on_error == "allow":
        advice = "start the hook; until then videos are not checked, since EASYANIMATE_MODERATION_ON_ERROR is allow"
        return warning("moderation", f"the hook gives no verdict: {error}", advice)
    advice = "start the hook, or correct EASYANIMATE_MODERATION_URL; until then each request for a video is refused"
    return broken("moderation", f"the hook gives no verdict: {error}", advice)


def _accepts_wrong_signature(url: str) -> bool:
    """Whether the hook gives a verdict on a request that is signed with a new, unknown secret."""
    unknown = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    try:
        ModerationHook(url, unknown).request(CASE)
    except ModerationFailed:
        return False
    return True
