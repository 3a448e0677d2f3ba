"""Where Redis is, from a URL."""

import pytest

from jobs.redis.address import parse_redis_url
from jobs.settings import Settings


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@h:6380/2?ssl_ca_certs=/ca.pem", "unix:///run/redis.sock?db=1"]
)
def test_one_server_has_no_sentinels(url: str) -> None:
    assert parse_redis_url(url).sentinels == ()


def test_a_url_names_sentinels_and_their_master() -> None:
    address = parse_redis_url("redis+sentinel://app:pw@one,two:26380,[::1]:26381/jobs/3?sentinel_password=spw")
    assert address.sentinels == (("one", 26379), ("two", 26380), ("::1", 26381))
    assert (address.service, address.options) == ("jobs", {"username": "app", "password": "pw", "db": 3})
    assert address.sentinel_options == {"password": "spw"}


def test_tls_is_used_for_the_sentinels_too() -> None:
    address = parse_redis_url("rediss+sentinel://one/jobs?ssl_ca_certs=/ca.pem")
    assert address.options == {"db": 0, "ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert address.sentinel_options == {"ssl": True, "ssl_ca_certs": "/ca.pem"}


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@h",
        "redis+sentinel://:secret@one,two",
        "redis+sentinel://:secret@/jobs",
        "redis+sentinel://:secret@one:port/jobs",
        "redis://:secret@h:port/0",
        "redis://:secret@h:99999999/0",
        "redis://h/0?health_check_interval=secret",
        "secret",
    ],
)
def test_an_invalid_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="redis_url") as error:
        Settings(redis_url=url)  # type: ignore[arg-type]
    assert "secret" not in str(error.value)
