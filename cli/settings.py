"""Settings of the commands from the environment: the service for the client, and the stack of `up` and `demo`."""

import os
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ClientSettings(BaseSettings):
    """The service of the client commands, and the API key."""

    model_config = SettingsConfigDict(env_prefix="EASYANIMATE_", env_ignore_empty=True, frozen=True)

    url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = None


class StackSettings(BaseSettings):
    """Settings of `up` and `demo`. Without `redis_url` they start a Redis server of their own."""

    model_config = SettingsConfigDict(
        env_prefix="EASYANIMATE_", env_ignore_empty=True, frozen=True, protected_namespaces=()
    )

    redis_url: SecretStr | None = None
    redis_prefix: str = ""
    durable_submit: str = "redis"
    model: str = "easyanimate-v3-tiny"
    log_format: str = "console"
    min_free_disk_bytes: int = 256 << 20
    spool_dir: Path | None = None
    metrics_host: str = "127.0.0.1"
    keeper_metrics_port: int | None = None


def child_environment(changes: dict[str, str]) -> dict[str, str]:
    """The environment of a child process: that of this process with `changes`."""
    return {**os.environ, **changes}  # noqa: TID251  a child process inherits it


def environment() -> dict[str, str]:
    """The environment variables of this process."""
    return dict(os.environ)  # noqa: TID251  the doctor reports unknown names
