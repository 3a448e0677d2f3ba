"""Parses the address of Redis: a server by `redis://`, `rediss://` (TLS) or `unix://`, or the master of Sentinels.

    redis://user:password@host:6379/0            rediss://host:6380/0?ssl_ca_certs=/path/ca.pem
    unix://user:password@/path/redis.sock?db=0
    redis+sentinel://user:password@host:26379,other:26379/mymaster/0?sentinel_username=…&sentinel_password=…
    rediss+sentinel://…                          the same, all connections by TLS

User and password are those of the ACL of Redis; the default user is `default`. Parameters are those of redis-py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from redis.connection import parse_url

PLAIN = ("redis", "rediss", "unix")
BY_SENTINEL = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_PORT = 26379


@dataclass(frozen=True)
class RedisAddress:
    """The address of a server, or of Sentinels and the name of their service. Options are those of redis-py."""

    options: Mapping[str, Any]
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_options: Mapping[str, Any] | None = None


def parse_redis_url(url: str) -> RedisAddress:
    """The address in a URL. Raises ValueError; its sentence does not repeat the URL, which may hold a password."""
    scheme = url.partition("://")[0]
    try:
        if scheme in PLAIN:
            options = parse_url(url)  # type: ignore[no-untyped-call]
            options.pop("connection_class", None)
            return RedisAddress(options)
        if scheme in BY_SENTINEL:
            return _by_sentinel(url, BY_SENTINEL[scheme])
    except (ValueError, TypeError) as error:
        raise ValueError(f"it is invalid: {_without_secret(error, url)}") from None
    schemes = ", ".join(f"{name}://" for name in (*PLAIN, *BY_SENTINEL))
    raise ValueError(f"it must begin with one of {schemes}")


def _by_sentinel(url: str, scheme: str) -> RedisAddress:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("the name of the master must follow the Sentinels, as in /mymaster/0")
    rest = f"{scheme}://{credentials}{'@' if credentials else ''}master/{database or 0}?{parts.query}"
    options = parse_url(rest)  # type: ignore[no-untyped-call]
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    credentials_of_sentinels = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    sentinel_options = {name: value for name, value in credentials_of_sentinels.items() if value is not None}
    if scheme == "rediss":
        options["ssl"] = True
        sentinel_options |= {name: value for name, value in options.items() if name.startswith("ssl")}
    return RedisAddress(options, tuple(_host(host) for host in hosts.split(",")), service, sentinel_options)


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a Sentinel has no host, as in host:26379,other:26379")
    return parts.hostname, parts.port or SENTINEL_PORT


def _without_secret(error: Exception, url: str) -> str:
    """The message of the error, unless it quotes the password."""
    message = str(error)
    secret = urlsplit(url).password if "," not in url else url.partition("://")[2].rpartition("@")[0]
    return "check host, port and parameters" if secret and secret in message else message
