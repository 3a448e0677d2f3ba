"""The signed list of the segments of a playlist: the SHA-256 of each, with a C2PA manifest over the list.

Segments are MPEG-TS files, in which C2PA has no place for a manifest. The list is one JSON document, so that list and
signature are replaced together.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from easyanimate.errors import InvalidInput
from easyanimate.provenance.checks import MarkResult, check_sidecar
from easyanimate.provenance.claims import ProvenanceClaim
from easyanimate.provenance.marking import ProvenanceMarker

FORMAT = 1


@dataclass(frozen=True)
class ListedSegment:
    """A segment by its file name, with the SHA-256 of its bytes."""

    name: str
    sha256: str
    num_frames: int


@dataclass(frozen=True)
class SignedList:
    """A parsed list: the segments, the bytes that are signed, and the manifest."""

    segments: tuple[ListedSegment, ...]
    content: bytes
    manifest: bytes

    def check(self, trusted: str) -> MarkResult:
        """Whether the list is as it was signed, by a signer of `trusted`, a text of `trust.py`."""
        return check_sidecar(self.content, self.manifest, trusted)


def write_segment_list(segments: Sequence[ListedSegment], marker: ProvenanceMarker, claim: ProvenanceClaim) -> bytes:
    """The JSON document. Raises SigningFailed."""
    listed = [{"name": each.name, "sha256": each.sha256, "num_frames": each.num_frames} for each in segments]
    content = json.dumps({"video_id": claim.video_id, "segments": listed}, indent=1)
    manifest = marker.sidecar(content.encode(), claim)
    document = {"format": FORMAT, "content": content, "c2pa": base64.b64encode(manifest).decode()}
    return json.dumps(document, indent=1).encode()


def read_segment_list(data: bytes) -> SignedList:
    """Parses the document, whose signature is not checked yet. Raises InvalidInput."""
    try:
        document: dict[str, Any] = json.loads(data)
        content = str(document["content"])
        listed = json.loads(content)["segments"]
        segments = tuple(
            ListedSegment(str(each["name"]), str(each["sha256"]), int(each["num_frames"])) for each in listed
        )
        return SignedList(segments, content.encode(), base64.b64decode(document["c2pa"], validate=True))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidInput("this is no signed list of segments") from error
