"""Addresses of this machine: requests to them never go through a proxy of the environment."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host name or an IP address is this machine, without asking a name server."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_loopback_url(url: str | None) -> bool:
    """Whether a URL leads to this machine; False for None and for text that is no URL."""
    try:
        return is_loopback(urlsplit(url or "").hostname or "")
    except ValueError:
        return False
