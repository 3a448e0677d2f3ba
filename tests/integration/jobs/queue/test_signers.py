"""The certificates of workers are bounded, and none that stored files need is dropped."""

import pytest
from redis import Redis
from structlog.testing import capture_logs

from jobs.queue import signers
from jobs.queue.signers import END, NEEDED_KEY, SIGNERS_KEY, SignerRegistry


@pytest.fixture
def registry(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> SignerRegistry:
    """A registry for three certificates at most."""
    monkeypatch.setattr(signers, "MAX_SIGNERS", 3)
    monkeypatch.setattr(signers, "ANNOUNCED_S", -1.0)  # without files it is not needed any more
    return SignerRegistry(redis)


def certificate(number: int) -> str:
    return f"{number} {END}"


def numbers(registry: SignerRegistry) -> list[int]:
    return sorted(int(text.split()[0]) for text in registry.certificates())


def test_certificates_above_the_limit_are_dropped_the_oldest_first(registry: SignerRegistry) -> None:
    for number in range(5):
        registry.announce(certificate(number))
    assert numbers(registry) == [2, 3, 4]
    assert registry.redis.zcard(NEEDED_KEY) == 3


@pytest.mark.parametrize("retention_s", [None, 3600.0])
def test_a_certificate_of_stored_files_is_kept(registry: SignerRegistry, retention_s: float | None) -> None:
    registry.announce(certificate(0))
    registry.keep(certificate(0), retention_s)
    for number in range(1, 5):
        registry.announce(certificate(number))
    assert numbers(registry) == [0, 3, 4]


def test_a_certificate_of_an_earlier_release_is_kept(registry: SignerRegistry) -> None:
    registry.redis.hset(SIGNERS_KEY, "earlier", certificate(9))
    for number in range(5):
        registry.announce(certificate(number))
    assert numbers(registry) == [3, 4, 9]


def test_an_announcement_does_not_shorten_the_time_of_a_kept_certificate(registry: SignerRegistry) -> None:
    registry.announce(certificate(0))
    registry.keep(certificate(0), 3600.0)
    registry.announce(certificate(0))
    for number in range(1, 5):
        registry.announce(certificate(number))
    assert numbers(registry) == [0, 3, 4]


def test_a_certificate_is_needed_for_a_day_after_the_last_of_its_files(
    registry: SignerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signers, "ANNOUNCED_S", 86_400.0)
    before = registry.redis.time()[0]
    registry.announce(certificate(0))
    registry.keep(certificate(0), 3600.0)
    [(_, until)] = registry.redis.zrange(NEEDED_KEY, 0, -1, withscores=True)  # type: ignore[misc]
    assert before + 3600 + 86_400 <= until <= registry.redis.time()[0] + 1 + 3600 + 86_400
    registry.keep(certificate(0), 60.0)
    assert registry.redis.zrange(NEEDED_KEY, 0, -1, withscores=True)[0][1] == until  # type: ignore[index]


def test_a_certificate_of_an_earlier_release_stays_needed_when_it_signs_a_file(registry: SignerRegistry) -> None:
    registry.keep(certificate(9), 1.0)
    assert registry.redis.zcard(NEEDED_KEY) == 0


def test_a_dropped_certificate_that_is_announced_again_is_there(registry: SignerRegistry) -> None:
    for number in (0, 1, 2, 3, 0):
        registry.announce(certificate(number))
    assert 0 in numbers(registry)


def test_more_needed_certificates_than_the_limit_all_stay_and_are_logged(
    registry: SignerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signers, "ANNOUNCED_S", 100.0)
    with capture_logs() as lines:
        for number in range(5):
            registry.announce(certificate(number))
    assert numbers(registry) == [0, 1, 2, 3, 4]
    assert [(line["event"], line["count"]) for line in lines] == [("signers.many", 4), ("signers.many", 5)]
