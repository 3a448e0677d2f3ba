"""When a client repeats a refused request: the record of its refusal must still exist then."""

import pytest

from jobs.errors import InvalidRequest, QueueUnavailable
from service.http.error_codes import ERROR_CODES
from service.http.errors import ApiError
from service.submission.idempotency import MIN_PAUSE_S, repeat_after_s


def rate_limited(**headers: str) -> ApiError:
    return ApiError(
        "rate_limited", "too many", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize(
    ("advised", "repeated_s"), [("0", MIN_PAUSE_S), ("1", 1), ("59", 59), ("60", MIN_PAUSE_S), ("3600", MIN_PAUSE_S)]
)
def test_an_advised_pause_below_a_minute_is_kept(advised: str, repeated_s: float) -> None:
    assert repeat_after_s(rate_limited(Retry_After=advised)) == repeated_s


def test_without_advice_of_the_error_that_of_its_code_counts() -> None:
    assert repeat_after_s(QueueUnavailable("no queue")) == ERROR_CODES["queue_unavailable"].retry_after_s
    assert repeat_after_s(ValueError("a bug")) == MIN_PAUSE_S
    assert ERROR_CODES["internal_error"].retry_after_s is None


def test_a_final_refusal_is_not_repeated() -> None:
    assert repeat_after_s(InvalidRequest("no")) is None
    assert repeat_after_s(rate_limited(x_should_retry="false")) is None
    assert repeat_after_s(rate_limited(x_should_retry="true")) is not None
    assert repeat_after_s(ApiError("idempotency_key_reused", "used")) is None


def test_only_statuses_that_clients_repeat_have_a_pause() -> None:
    repeated = {
        code.status for name, code in ERROR_CODES.items() if repeat_after_s(ApiError(name, "message")) is not None
    }
    assert repeated == {409, 429, *(code.status for code in ERROR_CODES.values() if code.status >= 500)}
    assert all(repeat_after_s(ApiError(name, "")) is None for name, code in ERROR_CODES.items() if code.never_retry)
