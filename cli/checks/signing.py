"""The check of the certificate that results are signed with."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cli.checks.result import CheckResult, broken, ok, warning
from jobs.invalid_settings import InvalidSettings
from jobs.settings import Settings

RENEW_BEFORE = timedelta(days=30)


def check_signing(settings: Settings) -> Iterator[CheckResult]:
    """Whether key and certificate fit, C2PA accepts them, and they stay valid for a month."""
    from easyanimate.provenance.credentials import LOCAL_FILE
    from worker.signing import open_marker

    is_local = settings.c2pa_certificate is None
    if is_local and not (settings.data_dir / LOCAL_FILE).exists():
        yield ok("signing", "a worker makes a development certificate at its first start")
        return
    try:
        until = open_marker(settings).credentials.valid_until
    except InvalidSettings as error:
        advice = (
            f"remove {settings.data_dir / LOCAL_FILE}" if is_local else "docs/guides/provenance.md has the commands"
        )
        yield broken("signing", error.faults[0], advice)
        return
    if until - datetime.now(UTC) < RENEW_BEFORE:
        advice = "renew it, and add the old one to EASYANIMATE_C2PA_TRUSTED_CERTIFICATES"
        yield warning("signing", f"the certificate ends at {until:%Y-%m-%d}; workers then refuse to start", advice)
    elif is_local:
        yield ok("signing", f"a development certificate of this machine, valid until {until:%Y-%m-%d}")
    else:
        yield ok("signing", f"the certificate is valid until {until:%Y-%m-%d}")
