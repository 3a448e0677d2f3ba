"""Settings that all processes share, read from the environment once when a process starts, and then passed on.

A variable is `EASYANIMATE_` and the name of the field in capitals; nested names are joined by two underscores:
`EASYANIMATE_S3__BUCKET`.
"""

import base64
import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict, SettingsError

from jobs.invalid_settings import InvalidSettings
from jobs.logs import LogLevel
from jobs.redis.address import parse_redis_url
from jobs.redis.connection import DEFAULT_LEASE_S
from jobs.redis.prefix import checked_prefix
from jobs.secret_files import SUFFIX, SecretFileSettings, secret_fields, undecodable_variables

SIGNING_KEY = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")
KEY_PREFIX = re.compile(r"((?!\.{1,2}/)[A-Za-z0-9._-]+/)+")
BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}|arn:\S+")  # as boto3 accepts it
REGION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # likewise
EXAMPLES = frozenset({"change-me", "REPLACE-ME"})  # what examples of settings have, and had, in the place of a secret


class S3Settings(BaseModel, frozen=True, extra="forbid"):
    """An S3 bucket. `public_endpoint_url` is the address for clients, if it differs from `endpoint_url`.

    All keys begin with `prefix`, which is empty or ends with `/`. Each installation in a bucket needs its own.

    `checksum` protects uploads: SHA-256 as at AWS, Content-MD5 as in every S3 store, or `auto`, which is SHA-256 at AWS
    and MD5 elsewhere. `jobs/storage/s3_client.py` has the reasons.
    """

    bucket: str = Field(default="videos", min_length=1)
    prefix: str = ""
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    checksum: Literal["auto", "sha256", "md5"] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _leave_files_to_their_source(cls, values: Any) -> Any:
        """Drops variables such as `EASYANIMATE_S3__SECRET_ACCESS_KEY_FILE`, which `jobs/secret_files.py` reads."""
        if not isinstance(values, dict):
            return values
        files = {path[-1] + SUFFIX.lower() for path in secret_fields(cls)}
        return {name: value for name, value in values.items() if name not in files}

    @field_validator("bucket")
    @classmethod
    def _check_bucket(cls, name: str) -> str:
        if not BUCKET.fullmatch(name):
            message = "must be the name of a bucket alone, such as videos; the setting S3__PREFIX is for a path in it"
            raise ValueError(f"{message}, got {name!r}")
        return name

    @field_validator("region")
    @classmethod
    def _check_region(cls, name: str) -> str:
        if not REGION.fullmatch(name):
            raise ValueError(f"must be the name of a region, such as eu-central-1, got {name!r}")
        return name

    @field_validator("access_key_id")
    @classmethod
    def _check_key_id(cls, text: str | None) -> str | None:
        return text and not_an_example(text)

    @field_validator("secret_access_key")
    @classmethod
    def _check_secret_key(cls, secret: SecretStr | None) -> SecretStr | None:
        return secret and SecretStr(not_an_example(secret.get_secret_value()))

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, text: str) -> str:
        prefix = f"{text.removesuffix('/')}/" if text else ""
        if prefix and not KEY_PREFIX.fullmatch(prefix):
            raise ValueError(f"must be a path such as team/videos without a slash at its start, got {text!r}")
        return prefix

    @field_validator("endpoint_url", "public_endpoint_url")
    @classmethod
    def _check_endpoint(cls, text: str | None) -> str | None:
        return text and check_url(text, "http://storage:9000")

    @model_validator(mode="after")
    def _need_both_keys(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            missing = "SECRET_ACCESS_KEY" if self.access_key_id else "ACCESS_KEY_ID"
            raise ValueError(f"a pair of keys is needed: set EASYANIMATE_S3__{missing} too, or neither of the two")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError("EASYANIMATE_S3__SESSION_TOKEN needs EASYANIMATE_S3__ACCESS_KEY_ID and its secret")
        return self


def check_url(text: str, example: str) -> str:
    """Returns `text` if it is an http(s) address without credentials, query and fragment. Raises ValueError."""
    message = f"must be an address such as {example}, got {text!r}"
    try:
        url = urlsplit(text)
        is_valid = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError as error:
        raise ValueError(message) from error
    if not is_valid or url.query or url.fragment or "@" in url.netloc or text != text.strip():
        raise ValueError(message)
    return text


def not_an_example(text: str) -> str:
    """Returns `text` if it is not what an example has in the place of a secret. Raises ValueError."""
    if text in EXAMPLES:
        raise ValueError(f"`{text}` is from an example that all readers know: set a value of your own")
    return text


class Settings(SecretFileSettings):
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
    redis_prefix: str = ""  # what all keys and channels in Redis begin with
    data_dir: Path = Path("data")
    storage: Literal["local", "s3"] = "local"
    s3: S3Settings = Field(default_factory=S3Settings)
    public_url: str = "http://127.0.0.1:8000"
    signing_secret: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    webhook_allow_private: bool = False
    moderation_url: str | None = None  # of the operator: private addresses and http are allowed
    moderation_secret: SecretStr | None = None  # signs the requests to it; by default that of webhooks
    moderation_on_error: Literal["refuse", "allow"] = "refuse"
    c2pa_certificate: SecretStr | None = None  # PEM, the leaf first; public, but a mounted file like its key
    c2pa_private_key: SecretStr | None = None
    c2pa_trusted_certificates: SecretStr | None = None  # PEM: earlier certificates, and authorities of other signers
    aigc_producer: str | None = Field(default=None, max_length=200)  # the producer in the label of GB 45438
    min_free_disk_bytes: int = Field(default=256 << 20, ge=0)
    lease_s: float = Field(default=DEFAULT_LEASE_S, gt=0)
    crash_points_dir: Path | None = None  # for tests: `worker/crash_points.py`
    metrics_host: str = "127.0.0.1"  # where a worker and a keeper serve Prometheus metrics, if their port is set
    log_format: Literal["json", "console"] = "json"
    log_level: LogLevel = "info"

    @field_validator("redis_url")
    @classmethod
    def _can_be_read(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        parse_redis_url(text)
        for example in EXAMPLES:
            if f":{example}@" in text:
                raise ValueError(f"its password `{example}` is from an example that all readers know: set your own")
        return url

    @field_validator("redis_prefix")
    @classmethod
    def _check_redis_prefix(cls, text: str) -> str:
        return checked_prefix(text)

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, text: str) -> str:
        return check_url(text, "https://example.com/video")

    @field_validator("signing_secret", "webhook_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        return secret and SecretStr(not_an_example(secret.get_secret_value()))

    @field_validator("webhook_secret")
    @classmethod
    def _can_sign(cls, secret: SecretStr | None) -> SecretStr | None:
        """Accepts what the library of Standard Webhooks does: base64 with or without `whsec_` and padding."""
        try:
            if secret is not None and not base64.b64decode(f"{secret.get_secret_value().removeprefix('whsec_')}=="):
                raise ValueError("it is empty")
        except ValueError as error:
            raise ValueError("cannot sign; it must be whsec_ and the result of `openssl rand -base64 32`") from error
        return secret

    @field_validator("moderation_url")
    @classmethod
    def _check_moderation_url(cls, text: str | None) -> str | None:
        return text and check_url(text, "http://moderation:8080/check")

    @field_validator("moderation_secret")
    @classmethod
    def _check_moderation_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not SIGNING_KEY.fullmatch(secret.get_secret_value()):
            raise ValueError("must be whsec_ followed by the base64 of 24 to 64 random bytes")
        return secret

    @field_validator("c2pa_certificate", "c2pa_trusted_certificates")
    @classmethod
    def _check_certificates(cls, text: SecretStr | None) -> SecretStr | None:
        try:
            if text is not None:
                load_pem_x509_certificates(text.get_secret_value().encode())
        except ValueError as error:
            raise ValueError("must be certificates in PEM: -----BEGIN CERTIFICATE----- … for each") from error
        return text

    @model_validator(mode="after")
    def _need_certificate_and_key(self) -> Self:
        if (self.c2pa_certificate is None) != (self.c2pa_private_key is None):
            missing = "PRIVATE_KEY" if self.c2pa_certificate else "CERTIFICATE"
            raise ValueError(f"a pair is needed: set EASYANIMATE_C2PA_{missing} too, or neither of the two")
        return self

    @model_validator(mode="after")
    def _need_one_moderation_secret(self) -> Self:
        """On several hosts a generated secret would differ, and the moderation would refuse some signatures."""
        is_signed = self.moderation_secret is not None or self.webhook_secret is not None
        if self.moderation_url is not None and self.storage == "s3" and not is_signed:
            raise ValueError("EASYANIMATE_MODERATION_URL with S3 needs EASYANIMATE_MODERATION_SECRET on all hosts")
        return self

    @classmethod
    def read(cls) -> Self:
        """The settings of the environment. Raises InvalidSettings."""
        if names := undecodable_variables():
            raise InvalidSettings([f"{name}: must be text in UTF-8" for name in names])
        try:
            return cls()
        except ValidationError as error:
            raise InvalidSettings([_sentence(fault) for fault in error.errors(include_url=False)]) from error
        except SettingsError as error:
            raise InvalidSettings([_json_sentence(error) or str(error)]) from error

    def secret_for(self, purpose: Literal["signing", "webhook", "moderation"]) -> str:
        """Returns the configured secret, or one that is created once and stored in the data folder.

        Without an own secret, requests for moderation have that of webhooks.
        With S3, processes share no data folder: the secret for signing is derived from the secret key that they share.
        """
        secrets_of = {"signing": self.signing_secret, "webhook": self.webhook_secret}
        configured = {**secrets_of, "moderation": self.moderation_secret}[purpose]
        if configured:
            return configured.get_secret_value()
        if purpose == "moderation":
            return self.secret_for("webhook")
        if purpose == "signing" and self.storage == "s3" and self.s3.secret_access_key:
            return _derived_secret(self.s3.secret_access_key.get_secret_value(), purpose)
        return _stored_secret(self.data_dir / f"{purpose}.secret")


def _sentence(fault: ErrorDetails) -> str:
    """The variable of an invalid setting and the reason, without the value, which may be a secret."""
    name = "__".join(str(part).upper() for part in fault["loc"])
    reason = fault["msg"].removeprefix("Value error, ")
    return reason if not name or "EASYANIMATE_" in reason else f"EASYANIMATE_{name}: {reason}"


def _json_sentence(error: SettingsError) -> str | None:
    """The sentence about a group of settings in one variable, such as `EASYANIMATE_S3`; None for another error."""
    if (match := re.match(r'error parsing value for field "(\w+)"', str(error))) is None:
        return None
    name = f"EASYANIMATE_{match[1].upper()}"
    return f"{name}: must be a JSON object; or set its parts, each in a variable {name}__NAME"


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
