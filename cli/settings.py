"""What the commands read from the environment: the address of the service for the client, and what `up` may be told."""

import os
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ClientSettings(BaseSettings):
    """Which service the client commands talk to, with which key."""

    model_config = SettingsConfigDict(env_prefix="EASYANIMATE_", frozen=True)

    url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = None


class StackSettings(BaseSettings):
    """What `up` and `demo` find in the environment. Without a `redis_url` they bring a Redis of their own."""

    model_config = SettingsConfigDict(env_prefix="EASYANIMATE_", frozen=True, protected_namespaces=())

    redis_url: SecretStr | None = None
    model: str = "easyanimate-v3-tiny"
    models_dir: Path = Path("models")
    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = 8000
    log_format: str = "console"


def child_environment(changes: dict[str, str]) -> dict[str, str]:
    """The environment of a child process: ours, with every other setting as it is, and these changes."""
    return {**os.environ, **changes}  # noqa: TID251  a child must see what we see


def environment() -> dict[str, str]:
    """What the environment says."""
    return dict(os.environ)  # noqa: TID251  the doctor looks for names that nobody reads
