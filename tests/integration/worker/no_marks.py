"""A marker that changes nothing: the files of the engine without a model are no videos."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from easyanimate.provenance.claims import ProvenanceClaim
from easyanimate.provenance.marking import ProvenanceMarker


class NoMarks(ProvenanceMarker):
    """A marker without a certificate, which leaves all files as they are."""

    credentials: Any = SimpleNamespace(chain="")

    def __init__(self) -> None:
        self.producer = None

    def mark_file(self, path: Path, claim: ProvenanceClaim) -> None:
        """Leaves the file as it is."""

    def mark_image(self, data: bytes, media_type: str, claim: ProvenanceClaim) -> bytes:
        """The image as it is."""
        return data

    def sidecar(self, data: bytes, claim: ProvenanceClaim) -> bytes:
        """An empty manifest."""
        return b""
