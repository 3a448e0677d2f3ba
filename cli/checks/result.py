"""The result of one check: its subject, its level, a message, and advice."""

from dataclasses import dataclass
from typing import Literal

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN "}


@dataclass(frozen=True)
class CheckResult:
    """`subject` is the part, `message` a sentence, `advice` what to do; "ok" has no advice."""

    subject: str
    level: Literal["ok", "warning", "broken"]
    message: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"\n                    → {self.advice}" if self.advice else ""
        return f"{MARKS[self.level]} {self.subject:<10} {self.message}{advice}"


def ok(subject: str, message: str) -> CheckResult:
    """The part works."""
    return CheckResult(subject, "ok", message)


def warning(subject: str, message: str, advice: str) -> CheckResult:
    """The part works, with a risk."""
    return CheckResult(subject, "warning", message, advice)


def broken(subject: str, message: str, advice: str) -> CheckResult:
    """The service cannot work."""
    return CheckResult(subject, "broken", message, advice)
