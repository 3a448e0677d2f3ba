"""Opens the object store of the settings."""

from jobs.settings import Settings
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.s3 import S3Storage


def open_storage(settings: Settings, *, tries: int = 4, timeout_s: float = 60.0) -> Storage:
    """Opens the object store of this installation: a folder in the data folder, or an S3 bucket.

    A request to a bucket is tried `tries` times, each with a timeout of `timeout_s`.
    """
    if settings.storage == "s3":
        return S3Storage(settings.s3, tries=tries, timeout_s=timeout_s)
    secret = settings.secret_for("signing").encode()
    return LocalStorage(settings.data_dir / "objects", public_url=settings.public_url, secret=secret)
