"""A key names its owner without giving itself away."""

import pytest
from pydantic import SecretStr

from service.callers import Callers
from service.problems import Problem

CALLERS = Callers([SecretStr("one"), SecretStr("schlüssel")])


def test_a_key_is_always_the_same_owner_and_each_has_its_own() -> None:
    assert CALLERS.identify("one") == CALLERS.identify(" one ")
    assert CALLERS.identify("one") != CALLERS.identify("schlüssel".encode().decode("latin-1"))


def test_the_owner_does_not_show_the_key() -> None:
    assert CALLERS.identify("one").startswith("key:")
    assert len(CALLERS.identify("one")) == len("key:") + 16
    assert "one" not in CALLERS.identify("one")


@pytest.mark.parametrize("key", [None, "", "two", "onee", "ONE"])
def test_another_key_is_refused(key: str | None) -> None:
    with pytest.raises(Problem) as refusal:
        CALLERS.identify(key)
    assert refusal.value.code == "invalid_api_key"


def test_without_keys_everybody_is_the_same_caller() -> None:
    assert Callers([]).identify(None) == Callers([]).identify("anything") == "local"
