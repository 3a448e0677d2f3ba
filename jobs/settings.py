"""The settings both sides share. Read once when a process starts, then passed on; nobody else reads the environment.

Every name is the field's, in capitals, behind `EASYANIMATE_`; nested ones are joined by two underscores:
`EASYANIMATE_S3__BUCKET`.
"""

import base64
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.redis.address import parse_redis_url


class S3Settings(BaseModel):
    """One bucket. `public_endpoint_url` is what clients can reach, where that differs from what we reach.

    `checksum` is what uploads are checked by: SHA-256 as AWS does it, Content-MD5 as every S3 store knows it, or
    `auto`, which is SHA-256 at AWS and MD5 elsewhere: `jobs/storage/s3_client.py` says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    """What the front end, the worker and the keeper must agree on."""

    model_config = SettingsConfigDict(
        env_prefix="EASYANIMATE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # it may be a secret
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
    metrics_host: str = "127.0.0.1"  # where a worker and a keeper answer Prometheus, if they have a port for it
    log_format: Literal["json", "console"] = "json"

    @field_validator("redis_url")
    @classmethod
    def _can_be_read(cls, url: SecretStr) -> SecretStr:
        parse_redis_url(url.get_secret_value())
        return url

    def secret_for(self, purpose: Literal["signing", "webhook"]) -> str:
        """The secret from the environment, or one made once and kept in the data folder."""
        given = {"signing": self.signing_secret, "webhook": self.webhook_secret}[purpose]
        return given.get_secret_value() if given else _kept_secret(self.data_dir / f"{purpose}.secret")


def _kept_secret(path: Path) -> str:
    """A `whsec_…` secret that every process with the same data folder finds the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        temporary.touch(mode=0o600)
        temporary.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
        with suppress(FileExistsError):  # another process was faster: its secret counts
            path.hardlink_to(temporary)
        temporary.unlink()
    return path.read_text()
