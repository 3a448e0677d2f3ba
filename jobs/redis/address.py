"""Where Redis is: a server by `redis://`, `rediss://` (TLS) or `unix://`, or whoever Sentinels say is the master.

    redis://user:password@host:6379/0            rediss://host:6380/0?ssl_ca_certs=/path/ca.pem
    unix://user:password@/path/redis.sock?db=0
    redis+sentinel://user:password@host:26379,other:26379/mymaster/0?sentinel_username=…&sentinel_password=…
    rediss+sentinel://…                          the same, everything by TLS

User and password are those of Redis' ACL; without a user it is `default`. Parameters are redis-py's own.
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
    """`sentinels` is empty for a plain server. `options` are redis-py's, `sentinel_options` those of the Sentinels."""

    options: Mapping[str, Any]
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_options: Mapping[str, Any] | None = None


def parse_redis_url(url: str) -> RedisAddress:
    """The address in a URL. Raises ValueError with a sentence that does not repeat the URL, which has a password."""
    scheme = url.partition("://")[0]
    try:
        if scheme in PLAIN:
            options = parse_url(url)  # type: ignore[no-untyped-call]
            options.pop("connection_class", None)
            return RedisAddress(options)
        if scheme in BY_SENTINEL:
            return _by_sentinel(url, BY_SENTINEL[scheme])
    except (ValueError, TypeError) as error:
        raise ValueError(f"it cannot be read: {_harmless(error, url)}") from None
    wanted = ", ".join(f"{name}://" for name in (*PLAIN, *BY_SENTINEL))
    raise ValueError(f"it must begin with one of {wanted}")


def _by_sentinel(url: str, scheme: str) -> RedisAddress:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("after the Sentinels comes the name of the master, as in /mymaster/0")
    rest = f"{scheme}://{credentials}{'@' if credentials else ''}master/{database or 0}?{parts.query}"
    options = parse_url(rest)  # type: ignore[no-untyped-call]
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    told = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    of_sentinels = {name: value for name, value in told.items() if value is not None}
    if scheme == "rediss":
        options["ssl"] = True
        of_sentinels |= {name: value for name, value in options.items() if name.startswith("ssl")}
    return RedisAddress(options, tuple(_host(host) for host in hosts.split(",")), service, of_sentinels)


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a Sentinel has no name, as in host:26379,other:26379")
    return parts.hostname, parts.port or SENTINEL_PORT


def _harmless(error: Exception, url: str) -> str:
    """What is wrong, unless it quotes the URL."""
    told = str(error)
    secret = urlsplit(url).password if "," not in url else url.partition("://")[2].rpartition("@")[0]
    return "look at host, port and parameters" if secret and secret in told else told
