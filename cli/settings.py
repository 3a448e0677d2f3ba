"""Settings of the commands from the environment: the service for the client, and the stack of `up` and `demo`."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from cli.errors import RefusedCommand
from jobs.secret_files import SUFFIX, SecretFileSettings

PREFIX = "EASYANIMATE_"


class CommandSettings(SecretFileSettings):
    """Settings from variables, and from the files that variables with `_FILE` name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, protected_namespaces=(), hide_input_in_errors=True
    )

    @classmethod
    def read(cls, **values: Any) -> Self:
        """The settings of the environment, and these `values`. Raises RefusedCommand."""
        try:
            return cls(**values)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise RefusedCommand(f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}") from error
        except SettingsError as error:
            raise RefusedCommand(str(error)) from error


class ClientSettings(CommandSettings):
    """The service of the client commands, and the API key."""

    url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = None


class StackSettings(CommandSettings):
    """Settings of `up` and `demo`. Without `redis_url` they start a Redis server of their own."""

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
    """The environment of a child process: that of this process with `changes`.

    A changed variable replaces its file, too: both together would be refused.
    """
    own = {name: value for name, value in os.environ.items() if name.removesuffix(SUFFIX) not in changes}  # noqa: TID251  a child process inherits it
    return {**own, **changes}


def environment() -> dict[str, str]:
    """The environment variables of this process."""
    return dict(os.environ)  # noqa: TID251  the doctor reports unknown names
