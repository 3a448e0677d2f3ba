"""What an S3 store's answers mean for us: not there, away for a moment, full, or refused until somebody acts."""

from collections.abc import Iterator
from contextlib import contextmanager

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

NOT_THERE = {"404", "NoSuchKey", "NotFound"}
FULL = {"507", "InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "StorageQuotaExceeded"}
# Below 500, and yet the same request may work in a moment: it was changed or cut on its way, or came too fast.
WORTH_ANOTHER_TRY = {
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
TOO_MANY = {408, 409, 412, 429}
NO_KEYS = (NoCredentialsError, PartialCredentialsError)

KEYS = "EASYANIMATE_S3__ACCESS_KEY_ID and EASYANIMATE_S3__SECRET_ACCESS_KEY"
ADVICE = {
    "AccessDenied": "these keys may not do that: allow them to read, write, list and delete in the bucket",
    "403": f"it does not let us in: look at {KEYS}, and at what they may do in the bucket",
    "InvalidAccessKeyId": f"it does not know this access key: look at {KEYS}",
    "SignatureDoesNotMatch": f"the secret key is not the one of this access key: look at {KEYS}",
    "ExpiredToken": "the session token has run out: give a new one",
    "NoSuchBucket": "there is no such bucket: make it, or set EASYANIMATE_S3__BUCKET to one there is",
    "InvalidBucketName": "no bucket can have this name: look at EASYANIMATE_S3__BUCKET",
    "PermanentRedirect": "the bucket is in another region: set EASYANIMATE_S3__REGION to it",
    "301": "the bucket is in another region: set EASYANIMATE_S3__REGION to it",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set EASYANIMATE_S3__REGION to it",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it by NTP",
    "SecondLevelDomainForbidden": "it wants the bucket in the host name: set EASYANIMATE_S3__ADDRESSING_STYLE=virtual",
    "NotImplemented": "it lacks something we use: try EASYANIMATE_S3__CHECKSUM=md5",
    "MissingContentMD5": "it wants uploads with Content-MD5: set EASYANIMATE_S3__CHECKSUM=md5",
}


@contextmanager
def s3_errors(key: str) -> Iterator[None]:
    """Turns what boto3 raises into KeyError with the key, StorageUnavailable, StorageFull or StorageRefused."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, key) from error
    except Boto3Error as error:  # of a transfer, which wraps the answer that ended it
        inner = error.__context__
        raise (_of_answer(inner, key) if isinstance(inner, ClientError) else _away(error)) from error
    except NO_KEYS as error:
        raise StorageRefused(f"there are no keys for the object store: set {KEYS}") from error
    except (ParamValidationError, InvalidRegionError, ValueError) as error:
        raise StorageRefused(f"the settings of the object store make no sense: {error}") from error
    except BotoCoreError as error:
        raise _away(error) from error


def _of_answer(error: ClientError, key: str) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    if code in NOT_THERE:
        return KeyError(key)
    if code in FULL or status == 507:
        return StorageFull(f"the object store has no room left ({code})")
    if status >= 500 or status in TOO_MANY or code in WORTH_ANOTHER_TRY:
        return StorageUnavailable(f"the object store answered {code}")
    return StorageRefused(f"the object store refused with {code}: {ADVICE.get(code, 'see its documentation')}")


def _away(error: Exception) -> StorageUnavailable:
    return StorageUnavailable(f"the object store does not answer ({type(error).__name__})")
