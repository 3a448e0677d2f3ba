"""Translates errors of boto3: a missing object, a store that is unavailable or full, or a refusal with advice."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    InvalidRegionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from jobs.errors import StorageFull, StorageRefused, StorageUnavailable

MISSING = {"404", "NoSuchKey", "NotFound"}
FULL = {"507", "InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "StorageQuotaExceeded"}
# Statuses below 500 whose request may succeed later: it was damaged in transit, or came too fast.
RETRYABLE = {
    "BadDigest",
    "IncompleteBody",
    "RequestTimeout",
    "XAmzContentSHA256Mismatch",
    "SlowDown",
    "TooManyRequests",
    "OperationAborted",
    "ConditionalRequestConflict",
    "PreconditionFailed",
    "NoSuchUpload",
}
RETRYABLE_STATUSES = {408, 409, 412, 429}
NO_KEYS = (NoCredentialsError, PartialCredentialsError)

KEYS = "EASYANIMATE_S3__ACCESS_KEY_ID and EASYANIMATE_S3__SECRET_ACCESS_KEY"
ADVICE = {
    "AccessDenied": "these keys lack permission: allow them to read, write, list and delete in the bucket",
    "403": f"access is denied: check {KEYS} and their permissions in the bucket",
    "InvalidAccessKeyId": f"the access key does not exist: check {KEYS}",
    "SignatureDoesNotMatch": f"the secret key does not belong to this access key: check {KEYS}",
    "ExpiredToken": "the session token has expired: set EASYANIMATE_S3__SESSION_TOKEN to a new one",
    "NoSuchBucket": "there is no such bucket: create it, or set EASYANIMATE_S3__BUCKET to an existing one",
    "InvalidBucketName": "no bucket can have this name: check EASYANIMATE_S3__BUCKET",
    "PermanentRedirect": "the bucket is in another region: set EASYANIMATE_S3__REGION to it",
    "301": "the bucket is in another region: set EASYANIMATE_S3__REGION to it",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set EASYANIMATE_S3__REGION to it",
    "RequestTimeTooSkewed": "the clock of this machine or of the store is wrong: set both by NTP",
    "RequestExpired": "the clock of this machine or of the store is wrong: set both by NTP",
    "SecondLevelDomainForbidden": "the bucket must be in the host name: set EASYANIMATE_S3__ADDRESSING_STYLE=virtual",
    "NotImplemented": "the store lacks an operation: try EASYANIMATE_S3__CHECKSUM=md5",
    "MissingContentMD5": "uploads must have Content-MD5: set EASYANIMATE_S3__CHECKSUM=md5",
}


@contextmanager
def s3_errors(key: str) -> Iterator[None]:
    """Translates errors of boto3 to KeyError with the key, StorageUnavailable, StorageFull or StorageRefused."""
    try:
        yield
    except ClientError as error:
        raise _from_response(error, key) from error
    except Boto3Error as error:  # of a transfer, which wraps the response that ended it
        inner = error.__context__
        raise (_from_response(inner, key) if isinstance(inner, ClientError) else _unavailable(error)) from error
    except NO_KEYS as error:
        raise StorageRefused(f"there are no keys for the object store: set {KEYS}") from error
    except (ParamValidationError, InvalidRegionError, ValueError) as error:
        raise StorageRefused(f"the settings of the object store are invalid: {error}") from error
    except BotoCoreError as error:
        raise _unavailable(error) from error


def required(response: Mapping[str, Any], field: str) -> Any:
    """A field that the answer for an object has. Raises StorageUnavailable: without it, another server has answered."""
    value = response.get(field)
    if value is None:
        raise StorageUnavailable(f"the answer for an object has no {field}: it is not that of an object store")
    return value


def no_such_bucket() -> StorageRefused:
    """The error of a bucket that does not exist."""
    return StorageRefused(f"the object store refused with NoSuchBucket: {ADVICE['NoSuchBucket']}")


def _from_response(error: ClientError, key: str) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    if code in MISSING:
        return KeyError(key)
    if code in FULL or status == 507:
        return StorageFull(f"the object store has no space left ({code})")
    if status >= 500 or status in RETRYABLE_STATUSES or code in RETRYABLE:
        return StorageUnavailable(f"the object store answered {code}")
    return StorageRefused(f"the object store refused with {code}: {ADVICE.get(code, 'see its documentation')}")


def _unavailable(error: Exception) -> StorageUnavailable:
    return StorageUnavailable(f"the object store does not answer ({type(error).__name__})")
