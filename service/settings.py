"""The settings of the front end: address, authentication and limits."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from jobs.model.limits import Limits
from jobs.settings import EXAMPLES, Settings

MIB = 1 << 20
DAY_S = 86_400
PREFIX = re.compile(r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,}(%[A-Za-z0-9._-]+)?")
OWN_PATHS = frozenset({"v1", "files", "studio", "docs", "openapi.json", "metrics", "mcp"})
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class ServiceSettings(Settings):
    """One front end process. `api_keys` is a comma-separated list; with `auth` off all callers are `local`."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    auth: Literal["keys", "off"] = "keys"  # by default off on a loopback address without `api_keys`
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    limits: Limits = Field(default_factory=Limits)  # of callers whose key has no limits of its own
    body_limit_bytes: int = Field(default=32 * MIB, gt=0)
    max_image_pixels: int = Field(default=40_000_000, gt=0)
    media_memory_bytes: int = Field(default=1 << 30, ge=1 << 26)  # of the process that decodes one file
    media_timeout_s: float = Field(default=60.0, gt=0, le=600)  # of decoding one file
    durable_submit: Literal["redis", "disk"] = "redis"  # what the answer to an accepted video waits for
    max_queued_jobs: int = Field(default=10_000, gt=0)  # of one model
    max_wait_s: float = Field(default=86_400.0, gt=0)  # until the last waiting job of a model starts
    retention_s: Annotated[float, Field(gt=0)] | Literal["never"] = 7 * DAY_S  # unless the model sets its own
    fetch_allow_private: bool = False
    fetch_timeout_s: float = Field(default=20.0, gt=0, le=60)  # of one remote file
    file_ttl_s: int = Field(default=7 * 86_400, ge=3600, le=30 * 86_400)
    max_files: int = Field(default=1000, gt=0)  # of one caller
    shutdown_grace_s: int = Field(default=20, ge=0)
    shutdown_delay_s: float = Field(default=0, ge=0)
    keep_alive_s: int = Field(default=75, ge=1, le=86_400)  # of a connection without a request
    root_path: str = ""
    forwarded_allow_ips: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1", "::1")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    mcp: Literal["on", "off"] = "off"
    share_work: Literal["on", "off"] = "off"  # equal jobs of one caller share one run

    @property
    def waits_for_disk(self) -> bool:
        """Whether accepted videos are on the disk of Redis."""
        return self.durable_submit == "disk"

    @property
    def default_retention_s(self) -> float | None:
        """How long an ended video is kept; None for ever."""
        return None if self.retention_s == "never" else self.retention_s

    @model_validator(mode="before")
    @classmethod
    def _default_public_url(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Without a `public_url`, links to stored files use the address that the process listens on."""
        host = str(values.get("host", "127.0.0.1"))
        host = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
        return {"public_url": f"http://{host}:{values.get('port', 8000)}", **values}

    @model_validator(mode="before")
    @classmethod
    def _default_auth(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Without keys, and on a loopback address only, authentication is off by default."""
        if values.get("auth") or values.get("api_keys") or not _is_loopback(str(values.get("host", "127.0.0.1"))):
            return values
        return {**values, "auth": "off"}

    @field_validator("api_keys", "forwarded_allow_ips", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """The parts between commas; a file of keys may have one in each line."""
        parts = re.split(r"[,\r\n]", value) if isinstance(value, str) else None
        return value if parts is None else tuple(part.strip() for part in parts if part.strip())

    @field_validator("api_keys")
    @classmethod
    def _refuse_example(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for example in sorted(EXAMPLES):
            if SecretStr(example) in keys:
                message = f"`{example}` is from an example that all readers know"
                raise ValueError(f"{message}: `openssl rand -hex 24` creates a key")
        return keys

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if not HOST.fullmatch(host):
            raise ValueError("must be a name or an address to listen on, such as 127.0.0.1 or ::, without a port")
        return host

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, path: str) -> str:
        if path and not PREFIX.fullmatch(path):
            raise ValueError("must be a path such as /video: it begins with a slash and does not end with one")
        if path and path.split("/")[1] in OWN_PATHS:
            raise ValueError(f"must not begin like a path of the service itself, got {path}")
        return path

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            if proxy != "*":
                ip_network(proxy)  # its error has a sentence
        return proxies

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and origin != (expected := _origin_of(origin)):
                raise ValueError(f"{origin} is not an origin as browsers send it, such as {expected}")
        return origins

    @model_validator(mode="after")
    def _refuse_all_origins_without_keys(self) -> Self:
        if self.auth == "off" and "*" in self.cors_origins:
            raise ValueError(
                "with EASYANIMATE_CORS_ORIGINS=* and without API keys each web page could use this service: list the "
                "origins, or create keys and set EASYANIMATE_AUTH=keys"
            )
        return self

    @model_validator(mode="after")
    def _refuse_open_address(self) -> Self:
        if self.auth == "keys":
            return self
        if self.api_keys:
            raise ValueError("EASYANIMATE_AUTH is off and EASYANIMATE_API_KEYS has keys: set only one of them")
        if not _is_loopback(self.host):
            raise ValueError(
                f"with EASYANIMATE_AUTH=off all clients that reach {self.host} could use this service: set "
                "EASYANIMATE_AUTH=keys and create keys with `easyanimate keys create`, or EASYANIMATE_HOST=127.0.0.1"
            )
        return self


def _origin_of(text: str) -> str:
    """The origin in a URL, as browsers send it; an example if there is none."""
    url = urlsplit(text.lower())
    host = url.netloc.rpartition("@")[2].removesuffix(DEFAULT_PORTS.get(url.scheme, " "))
    is_origin = url.scheme and host and host.isascii()  # a browser sends other names as `xn--…`
    return f"{url.scheme}://{host}" if is_origin else "https://app.example.com"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
