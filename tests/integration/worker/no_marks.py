"""A marker that changes nothing: the files of the engine without a model are no videos."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from easyanimate.provenance.claims import ProvenanceClaim
from easyanimate.provenance.marking import ProvenanceMarker


class NoMarks(ProvenanceMarker):
    credentials: Any = SimpleNamespace(chain="")

    def __init__(self) -> None:
        self.producer = None

    def mark_file(self, path: Path, claim: ProvenanceClaim) -> None:
        pass

    def mark_image(self, data: bytes, media_type: str, claim: ProvenanceClaim) -> bytes:
        return data

    def sidecar(self, data: bytes, claim: ProvenanceClaim) -> bytes:
        return b""
