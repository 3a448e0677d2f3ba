"""Opens the object store of the settings."""

import time
from collections.abc import Callable

from jobs.settings import Settings
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage


def open_storage(
    settings: Settings, *, tries: int = 4, timeout_s: float = 60.0, clock: Callable[[], float] = time.time
) -> Storage:
    """Opens the object store of this installation: a folder in the data folder, or an S3 bucket.

    A request to a bucket is tried `tries` times, each with a timeout of `timeout_s`. Links to a folder
    expire by `clock`; a bucket has its own.
    """
    if settings.storage == "s3":
        from jobs.storage.s3 import S3Storage  # boto3 takes a quarter of a second to import

        return S3Storage(settings.s3, tries=tries, timeout_s=timeout_s)
    secret = settings.secret_for("signing").encode()
    return LocalStorage(settings.data_dir / "objects", public_url=settings.public_url, secret=secret, clock=clock)
