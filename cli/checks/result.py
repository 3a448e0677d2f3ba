"""What the doctor finds: one thing that was tried, how it went, and what to do if it did not go well."""

from dataclasses import asdict, dataclass
from typing import Literal

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN "}


@dataclass(frozen=True)
class CheckResult:
    """`subject` is the part, `message` a sentence, `advice` what to do; empty where all is well."""

    subject: str
    level: Literal["ok", "warning", "broken"]
    message: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        advice = f"\n                    → {self.advice}" if self.advice else ""
        return f"{MARKS[self.level]} {self.subject:<10} {self.message}{advice}"


def ok(subject: str, message: str) -> CheckResult:
    """All is well."""
    return CheckResult(subject, "ok", message)


def warning(subject: str, message: str, advice: str) -> CheckResult:
    """It works, and may not for long or not well."""
    return CheckResult(subject, "warning", message, advice)


def broken(subject: str, message: str, advice: str) -> CheckResult:
    """The service cannot work so."""
    return CheckResult(subject, "broken", message, advice)
