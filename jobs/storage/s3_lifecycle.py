"""The bucket's own rules for what nobody would miss: parts of uploads that broke off, and checkpoints left behind.

Videos and inputs are not among them: when they go depends on the job, and only the keeper knows the jobs. Rules that
others made stay as they are.
"""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobs.storage.paths import CHECKPOINTS, PLACES
from jobs.storage.s3_errors import s3_errors

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

OURS = "easyanimate-"
NONE_YET = ("NoSuchLifecycleConfiguration", "NotFound", "404")
UNFINISHED_DAYS = 2
CHECKPOINT_DAYS = 30


def set_lifecycle(client: "S3Client", bucket: str) -> None:
    """Add our rules, or bring them up to date. Raises StorageUnavailable, StorageRefused."""
    with s3_errors(bucket):
        found = _rules(client, bucket)
        wanted = [rule for rule in found if not str(rule.get("ID", "")).startswith(OURS)] + our_rules()
        if sorted(map(_told, found)) != sorted(map(_told, wanted)):
            told: Any = {"Rules": wanted}
            client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=told)


def our_rules() -> list[dict[str, Any]]:
    """One rule for each place where we store, and one for checkpoints."""
    unfinished = [
        {
            "ID": f"{OURS}unfinished-{place.rstrip('/')}",
            "Status": "Enabled",
            "Filter": {"Prefix": place},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
        }
        for place in PLACES
    ]
    return [
        *unfinished,
        {
            "ID": f"{OURS}checkpoints",
            "Status": "Enabled",
            "Filter": {"Prefix": CHECKPOINTS},
            "Expiration": {"Days": CHECKPOINT_DAYS},
        },
    ]


def _rules(client: "S3Client", bucket: str) -> list[dict[str, Any]]:
    try:
        answer: dict[str, Any] = dict(client.get_bucket_lifecycle_configuration(Bucket=bucket))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in NONE_YET:
            return []
        raise
    return list(answer.get("Rules", []))


def _told(rule: dict[str, Any]) -> str:
    return repr(sorted(rule.items()))
