"""Secrets from files: `EASYANIMATE_WEBHOOK_SECRET_FILE` names the file that holds the value of the setting.

Docker, Compose and Kubernetes mount secrets as files, so that they are neither in the environment nor in an image.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

SUFFIX = "_FILE"
MAX_SECRET_BYTES = 64 << 10


class SecretFilesSource(PydanticBaseSettingsSource):
    """Reads each secret whose variable with `_FILE` is set. Raises SettingsError, which names the variable."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Part of the interface; `__call__` reads all fields at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The secrets, nested like the settings."""
        values: dict[str, Any] = {}
        for path in secret_fields(self.settings_cls):
            name = variable(self.settings_cls, path)
            if file := _environment().get(name + SUFFIX):
                if _environment().get(name):
                    raise SettingsError(f"{name} and {name}{SUFFIX} are both set: set only one of them")
                _put(values, path, _read(file, name + SUFFIX))
        return values


class SecretFileSettings(BaseSettings):
    """Settings from variables, and from the files that variables with `_FILE` name."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, the most important first: arguments, variables, and files that variables name."""
        return init_settings, env_settings, SecretFilesSource(settings_cls)


def _environment() -> Mapping[str, str]:
    """The environment variables of this process."""
    return os.environ  # noqa: TID251  a source of settings


def undecodable_variables() -> list[str]:
    """The settings in the environment that are no text in UTF-8."""
    return [
        name for name, value in _environment().items() if name.startswith("EASYANIMATE_") and not _is_text(name + value)
    ]


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def secret_fields(kind: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """The paths of all secret fields of these settings, also of nested ones."""
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((name, *path) for path in secret_fields(field.annotation))
        elif _is_secret(field.annotation):
            yield (name,)


def variable(kind: type[BaseSettings], path: tuple[str, ...]) -> str:
    """The environment variable of a field."""
    return str(kind.model_config.get("env_prefix", "")) + "__".join(path).upper()


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _read(file: str, name: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_SECRET_BYTES + 1)
        value = data.decode().strip()
    except OSError as error:
        raise SettingsError(f"{name}: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: {file} is not text in UTF-8") from error
    if not value or len(data) > MAX_SECRET_BYTES:
        raise SettingsError(f"{name}: {file} must hold the secret alone: it is {'empty' if not value else 'too large'}")
    return value


def _put(values: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value
