"""Settings that all processes share, read from the environment once when a process starts, and then passed on.

A variable is `EASYANIMATE_` and the name of the field in capitals; nested names are joined by two underscores:
`EASYANIMATE_S3__BUCKET`.
"""

import base64
import hashlib
import hmac
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.redis.address import parse_redis_url


class S3Settings(BaseModel, frozen=True, extra="forbid"):
    """An S3 bucket. `public_endpoint_url` is the address for clients, if it differs from `endpoint_url`.

    `checksum` protects uploads: SHA-256 as at AWS, Content-MD5 as in every S3 store, or `auto`, which is SHA-256 at AWS
    and MD5 elsewhere. `jobs/storage/s3_client.py` has the reasons.
    """

    bucket: str = "videos"
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    checksum: Literal["auto", "sha256", "md5"] = "auto"


class Settings(BaseSettings):
    """Settings on which the front end, the worker and the keeper must agree."""

    model_config = SettingsConfigDict(
        env_prefix="EASYANIMATE_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # the input may be a secret
    )

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    data_dir: Path = Path("data")
    storage: Literal["local", "s3"] = "local"
    s3: S3Settings = Field(default_factory=S3Settings)
    public_url: str = "http://127.0.0.1:8000"
    signing_secret: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    webhook_allow_private: bool = False
    min_free_disk_bytes: int = Field(default=256 << 20, ge=0)
    lease_s: float = Field(default=15.0, gt=0)
    crash_points_dir: Path | None = None  # for tests: `worker/crash_points.py`
    metrics_host: str = "127.0.0.1"  # where a worker and a keeper serve Prometheus metrics, if their port is set
    log_format: Literal["json", "console"] = "json"

    @field_validator("redis_url")
    @classmethod
    def _can_be_read(cls, url: SecretStr) -> SecretStr:
        parse_redis_url(url.get_secret_value())
        return url

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, text: str) -> str:
        url = urlsplit(text)
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or "@" in url.netloc:
            raise ValueError(f"must be an address such as https://example.com/video, got {text}")
        return text

    def secret_for(self, purpose: Literal["signing", "webhook"]) -> str:
        """Returns the configured secret, or one that is created once and stored in the data folder.

        With S3, processes share no data folder: the secret for signing is derived from the secret key that they share.
        """
        configured = {"signing": self.signing_secret, "webhook": self.webhook_secret}[purpose]
        if configured:
            return configured.get_secret_value()
        if purpose == "signing" and self.storage == "s3" and self.s3.secret_access_key:
            return _derived_secret(self.s3.secret_access_key.get_secret_value(), purpose)
        return _stored_secret(self.data_dir / f"{purpose}.secret")


def _derived_secret(secret: str, purpose: str) -> str:
    """Returns another secret, from which the first cannot be computed."""
    return hmac.new(secret.encode(), f"easyanimate {purpose}".encode(), hashlib.sha256).hexdigest()


def _stored_secret(path: Path) -> str:
    """Returns the `whsec_…` secret in this file; creates it for all processes with the same data folder."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        temporary.touch(mode=0o600)
        temporary.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
        with suppress(FileExistsError):  # another process was faster: its secret is used
            path.hardlink_to(temporary)
        temporary.unlink()
    return path.read_text()
