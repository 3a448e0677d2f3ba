"""Marks files: XMP and the AIGC label first, then a C2PA manifest that covers both.

Nothing is requested from other hosts: there is no time stamp of an authority and no remote manifest.
"""

import threading
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import c2pa

from easyanimate.errors import EasyAnimateError
from easyanimate.provenance.aigc import aigc_label
from easyanimate.provenance.claims import ProvenanceClaim
from easyanimate.provenance.credentials import SigningCredentials
from easyanimate.provenance.plain import MEDIA_TYPES, write_plain_marks

C2PA_SETTINGS: dict[str, Any] = {
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}


class SigningFailed(EasyAnimateError):
    """A manifest could not be signed; the message has the reason."""


class ProvenanceMarker:
    """Marks files with one certificate. `producer` is the name in the AIGC label; None leaves the label out.

    Any thread may use it.
    """

    def __init__(self, credentials: SigningCredentials, producer: str | None = None) -> None:
        self.credentials = credentials
        self.producer = producer
        self._lock = threading.Lock()  # a signer of the library serves one thread at a time
        self._context = c2pa.Context.from_dict(C2PA_SETTINGS)
        chain, key = credentials.certificates, credentials.key
        try:
            self._signer = c2pa.Signer.from_info(
                c2pa.C2paSignerInfo(credentials.algorithm, chain.encode(), key.encode(), None)
            )
        except c2pa.C2paError as error:
            raise SigningFailed(f"C2PA does not accept the certificate: {error}") from error

    def check(self) -> None:
        """Signs a small file in memory. Raises SigningFailed if C2PA refuses the certificate."""
        self.sidecar(b"[]", ProvenanceClaim(title="check", version="0"))

    def mark_file(self, path: Path, claim: ProvenanceClaim) -> None:
        """Replaces the MP4, PNG, WebP or JPEG at `path` by its marked copy. Raises InvalidInput, SigningFailed."""
        media_type = MEDIA_TYPES[path.suffix]
        plain, signed = path.with_name(f".{path.name}.plain"), path.with_name(f".{path.name}.signed")
        try:
            with path.open("rb") as source, plain.open("w+b") as target:
                self._write_plain_marks(source, target, media_type, claim)
            with plain.open("rb") as source, signed.open("w+b") as target:
                self._sign(media_type, source, target, claim)
            signed.replace(path)
        finally:
            for each in (plain, signed):
                with suppress(OSError):
                    each.unlink(missing_ok=True)

    def mark_image(self, data: bytes, media_type: str, claim: ProvenanceClaim) -> bytes:
        """The marked bytes of a PNG, WebP or JPEG. Raises InvalidInput, SigningFailed."""
        plain, signed = BytesIO(), BytesIO()
        self._write_plain_marks(BytesIO(data), plain, media_type, claim)
        self._sign(media_type, plain, signed, claim)
        return signed.getvalue()

    def sidecar(self, data: bytes, claim: ProvenanceClaim) -> bytes:
        """A manifest beside `data`, which are bytes of JSON. Raises SigningFailed."""
        return self._sign("application/json", BytesIO(data), BytesIO(), claim, is_embedded=False)

    def _write_plain_marks(self, source: BinaryIO, target: BinaryIO, media_type: str, claim: ProvenanceClaim) -> None:
        label = None if self.producer is None else aigc_label(self.producer, claim.video_id or claim.title)
        write_plain_marks(source, target, media_type, label)

    def _sign(
        self, media_type: str, source: BinaryIO, target: BinaryIO, claim: ProvenanceClaim, *, is_embedded: bool = True
    ) -> bytes:
        source.seek(0)
        try:
            with self._lock, c2pa.Builder.from_json(claim.definition(), context=self._context) as builder:
                if not is_embedded:
                    builder.set_no_embed()
                self._add_ingredients(builder, claim)
                manifest: bytes = builder.sign(self._signer, media_type, source, target)
                return manifest
        except c2pa.C2paError as error:
            raise SigningFailed(f"C2PA does not sign: {error}") from error

    def _add_ingredients(self, builder: Any, claim: ProvenanceClaim) -> None:
        for ingredient in claim.ingredients:
            if ingredient.path is not None:
                with ingredient.path.open("rb") as file:
                    builder.add_ingredient(ingredient.definition(), ingredient.media_type, file)
