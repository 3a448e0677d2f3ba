"""Lifecycle rules of the bucket, which delete parts of broken uploads and old checkpoints.

Videos and inputs have no rule: their retention depends on the job, which only the keeper knows. Rules with other names
do not change, nor those of installations with another prefix in the same bucket.
"""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobs.storage.paths import CHECKPOINTS, FOLDERS
from jobs.storage.s3_errors import s3_errors

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RULE_PREFIX = "easyanimate-"
NO_RULES = ("NoSuchLifecycleConfiguration", "NotFound", "404")
UNFINISHED_DAYS = 2
CHECKPOINT_DAYS = 30


def set_lifecycle(client: "S3Client", bucket: str, prefix: str = "") -> None:
    """Adds or updates the rules of this service. Raises StorageUnavailable, StorageRefused."""
    with s3_errors(bucket):
        current, own = _current_rules(client, bucket), lifecycle_rules(prefix)
        names = {rule["ID"] for rule in own}
        wanted = [rule for rule in current if rule.get("ID") not in names] + own
        if sorted(map(_normalized, current)) != sorted(map(_normalized, wanted)):
            configuration: Any = {"Rules": wanted}
            client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=configuration)


def lifecycle_rules(prefix: str = "") -> list[dict[str, Any]]:
    """Returns one rule for unfinished uploads in each folder below `prefix`, and one for checkpoints."""
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS}}
    unfinished = [_rule(prefix, f"unfinished-{place.rstrip('/')}", place, abort) for place in FOLDERS]
    return [*unfinished, _rule(prefix, "checkpoints", CHECKPOINTS, {"Expiration": {"Days": CHECKPOINT_DAYS}})]


def _rule(prefix: str, name: str, place: str, action: dict[str, Any]) -> dict[str, Any]:
    rule_id = f"{RULE_PREFIX}{prefix}{name}"
    return {"ID": rule_id, "Status": "Enabled", "Filter": {"Prefix": prefix + place}, **action}


def _current_rules(client: "S3Client", bucket: str) -> list[dict[str, Any]]:
    try:
        response: dict[str, Any] = dict(client.get_bucket_lifecycle_configuration(Bucket=bucket))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in NO_RULES:
            return []
        raise
    return list(response.get("Rules", []))


def _normalized(rule: dict[str, Any]) -> str:
    return repr(sorted(rule.items()))
