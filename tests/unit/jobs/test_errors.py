"""Every error has a public code and a sentence."""

import pytest

from jobs import errors


@pytest.mark.parametrize("kind", errors.JobsError.__subclasses__())
def test_an_error_has_a_code_of_its_own(kind: type[errors.JobsError]) -> None:
    assert kind.code != errors.JobsError.code


def test_the_codes_differ() -> None:
    codes = [kind.code for kind in errors.JobsError.__subclasses__()]
    assert len(set(codes)) == len(codes)


def test_an_error_without_a_message_has_its_default_sentence() -> None:
    assert str(errors.QueueUnavailable()) == "The queue does not answer; nothing was accepted, try again shortly."


def test_a_refusal_names_the_parameter() -> None:
    assert errors.InvalidRequest("no", "seed").param == "seed"
