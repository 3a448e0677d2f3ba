"""The settings of the front end: where it listens, who may call, and how much one request may be."""

from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from jobs.settings import Settings

MIB = 1 << 20


class ServiceSettings(Settings):
    """One front end process. `api_keys` is a comma list; without keys everybody is the same caller, `local`."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    auth: Literal["keys", "off"] = "keys"
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    body_limit_bytes: int = Field(default=32 * MIB, gt=0)
    max_image_pixels: int = Field(default=40_000_000, gt=0)
    max_queued_jobs: int = Field(default=10_000, gt=0)  # of one model
    shutdown_grace_s: int = Field(default=20, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _links_lead_here(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Without a `public_url`, links to stored files lead to the address we listen on."""
        host = str(given.get("host", "127.0.0.1"))
        host = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
        return {"public_url": f"http://{host}:{given.get('port', 8000)}", **given}

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(key.strip() for key in given.split(",") if key.strip()) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> Self:
        if self.auth == "off" and self.api_keys:
            raise ValueError("EASYANIMATE_AUTH is off and EASYANIMATE_API_KEYS has keys: set only one of them")
        if self.auth == "keys" and not self.api_keys and not _is_loopback(self.host):
            raise ValueError(
                f"anybody who reaches {self.host} could use this service: set EASYANIMATE_API_KEYS to a comma list of "
                "keys, or EASYANIMATE_AUTH=off if that is what you want, or EASYANIMATE_HOST=127.0.0.1"
            )
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
