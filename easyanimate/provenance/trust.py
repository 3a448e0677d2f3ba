"""Whose signatures count: certificates in PEM, one after another.

An authority at the start of the text vouches for all its certificates. A leaf, followed by its authorities, vouches for
itself only, because an authority may have many customers.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from easyanimate.errors import InvalidInput

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class TrustGroup:
    """Authorities in PEM, and the serial numbers of the leaves that they vouch for; None means all."""

    authorities: str
    serials: frozenset[str] | None = None

    def covers(self, manifest: dict[str, Any]) -> bool:
        """Whether the signer of a manifest, whose chain ends at these authorities, is one of the leaves."""
        return self.serials is None or (manifest.get("signature_info") or {}).get("cert_serial_number") in self.serials


def trust_groups(text: str) -> Iterator[TrustGroup]:
    """The groups of a text, at most two. Certificates that cannot be read are left out."""
    certificates = list(_readable(text))
    first_leaf = next((i for i, each in enumerate(certificates) if not _is_authority(each)), len(certificates))
    if first_leaf:
        yield TrustGroup(_join(certificates[:first_leaf]))
    if chains := certificates[first_leaf:]:
        authorities = [each for each in chains if _is_authority(each)]
        yield TrustGroup(_join(authorities), frozenset(str(each.serial_number) for each in chains))


def read_trusted(path: Path) -> str:
    """The text of a file of certificates. Raises InvalidInput if it has none, OSError."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if not any(_readable(text)):
        raise InvalidInput(f"{path} has no certificate in PEM: -----BEGIN CERTIFICATE----- …")
    return text


def _readable(text: str) -> Iterator[x509.Certificate]:
    for block in PEM.findall(text):
        with suppress(ValueError):
            yield x509.load_pem_x509_certificate(block.encode())


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _join(certificates: list[x509.Certificate]) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)
