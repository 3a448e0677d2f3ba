"""Which storage the settings ask for."""

from jobs.settings import Settings
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.s3 import S3Storage


def open_storage(settings: Settings, *, tries: int = 4, timeout_s: float = 60.0) -> Storage:
    """The object store of this installation: a folder beside the data, or an S3 bucket.

    A bucket is asked so many times, and may be silent for `timeout_s` each time.
    """
    if settings.storage == "s3":
        return S3Storage(settings.s3, tries=tries, timeout_s=timeout_s)
    secret = settings.secret_for("signing").encode()
    return LocalStorage(settings.data_dir / "objects", public_url=settings.public_url, secret=secret)
