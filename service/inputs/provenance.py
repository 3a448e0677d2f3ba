"""Checks the marks of a file that a caller sends. Nothing is stored, and nothing is requested from other hosts."""

import hashlib
from dataclasses import dataclass
from typing import Any

from redis import Redis

from jobs.queue.signers import SignerRegistry
from jobs.store.callers.digests import find_by_digest, owns_video
from service.inputs.media import MediaReader, check_file_format
from service.settings import ServiceSettings

MATCHES = {
    "content_sha256": "the bytes are those of a video of yours",
    "unsigned_sha256": "the bytes are those of a video of yours before marking",
    "segment_sha256": "the bytes are those of a segment of a video of yours",
}


@dataclass(frozen=True)
class ProvenanceChecker:
    """Checks files for the callers of one front end."""

    media: MediaReader
    redis: Redis
    settings: ServiceSettings

    def check(self, data: bytes, owner: str) -> list[dict[str, Any]]:
        """The results as values of JSON. Raises InvalidRequest, ApiError, QueueUnavailable."""
        file_format = check_file_format(data)
        results = self.media.read_marks(data, file_format.media_type, self.trusted())
        for result in results:
            if result.get("video_id") is not None and not owns_video(self.redis, owner, result["video_id"]):
                result["video_id"] = None
        return [*results, self._digest_result(data, owner)]

    def trusted(self) -> str:
        """The trusted certificates: those of the settings, and those that workers sign with."""
        own = self.settings.c2pa_trusted_certificates
        configured = own.get_secret_value() + "\n" if own else ""
        return configured + "".join(SignerRegistry(self.redis).certificates())

    def _digest_result(self, data: bytes, owner: str) -> dict[str, Any]:
        match = find_by_digest(self.redis, owner, hashlib.sha256(data).hexdigest())
        if match is None:
            return {"type": "known_digest", "status": "absent", "detail": "no claim: no video of yours has these bytes"}
        video_id, field = match
        return {"type": "known_digest", "status": "valid", "video_id": video_id, "detail": MATCHES[field]}
