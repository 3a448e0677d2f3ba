"""The key and the certificates that sign C2PA manifests: those of the operator, or of a local authority."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from easyanimate.errors import InvalidInput

LOCAL_FILE = "provenance/signing.pem"  # in the data folder: leaf, authority and key
ORGANIZATION = "EasyAnimate Service, local authority"
VALID_DAYS = 20 * 365
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
MIN_RSA_BITS = 2048


@dataclass(frozen=True)
class SigningCredentials:
    """A key with its certificates in PEM, the leaf first, and the name of the algorithm in C2PA."""

    certificates: str
    key: str = field(repr=False)
    algorithm: str

    @classmethod
    def from_pem(cls, certificates: str, key: str) -> "SigningCredentials":
        """Checks that key and leaf fit, and that the leaf is valid now. Raises InvalidInput with the reason."""
        leaf, private = read_certificates(certificates)[0], _read_key(key)
        if private.public_key() != leaf.public_key():
            raise InvalidInput("the private key does not fit the first certificate, which must be that of the key")
        now = datetime.now(UTC)
        if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
            span = f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
            raise InvalidInput(f"the certificate is valid from {span} only; renew it")
        if leaf.issuer == leaf.subject:
            raise InvalidInput("the certificate is self-signed, which C2PA forbids; let an authority of yours issue it")
        if len(read_certificates(certificates)) < 2:
            raise InvalidInput("the certificate of the authority is missing: append it to that of the key")
        return cls(certificates, key, _algorithm(private))

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate of the key."""
        return read_certificates(self.certificates)[0]

    @property
    def valid_until(self) -> datetime:
        """The end of the validity of the leaf."""
        return self.leaf.not_valid_after_utc

    @property
    def chain(self) -> str:
        """The certificates as a text of `trust.py`."""
        return "".join(map(_to_pem, read_certificates(self.certificates)))


def read_certificates(text: str) -> list[x509.Certificate]:
    """The certificates of a PEM text, at least one. Raises InvalidInput."""
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise InvalidInput("the certificates are not PEM: -----BEGIN CERTIFICATE----- … for each") from error


def local_credentials(data_dir: Path) -> SigningCredentials:
    """The leaf of the local authority in this folder, which is made at the first call. Raises InvalidInput, OSError.

    The key of the authority signs one leaf and is then discarded.
    """
    path = data_dir / LOCAL_FILE
    if not path.exists():
        _write_once(path, _issue())
    text = path.read_text(encoding="ascii")
    certificates, begin, key = text.partition("-----BEGIN PRIVATE KEY-----")
    return SigningCredentials.from_pem(certificates, begin + key)


def local_chain(data_dir: Path) -> str | None:
    """The leaf of the local authority, and the authority, in PEM; None if there is none in this folder."""
    path = data_dir / LOCAL_FILE
    if not path.exists():
        return None
    return path.read_text(encoding="ascii").partition("-----BEGIN PRIVATE")[0]


def _write_once(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    with suppress(FileExistsError):  # another process was faster: its key is used
        path.hardlink_to(temporary)
    temporary.unlink()


def _issue() -> str:
    """The PEM text of a new leaf, its authority, and the key of the leaf."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    mark = secrets.token_hex(4)
    issuer = _name(f"Development authority {mark}")
    authority = _certificate(issuer, issuer, authority_key.public_key(), authority_key.public_key(), is_authority=True)
    subject = _name(f"Development certificate {mark}")
    leaf = _certificate(subject, issuer, key.public_key(), authority_key.public_key(), is_authority=False)
    signed = [each.sign(authority_key, hashes.SHA256()) for each in (leaf, authority)]
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return "".join(map(_to_pem, signed)) + private.decode()


def _name(common_name: str) -> x509.Name:
    parts = {NameOID.ORGANIZATION_NAME: ORGANIZATION, NameOID.COMMON_NAME: common_name}
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts.items()])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    *,
    is_authority: bool,
) -> x509.CertificateBuilder:
    """A certificate that is not signed yet, with the extensions that C2PA requires."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=VALID_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "digital_signature": not is_authority}
    usage |= {"key_cert_sign": is_authority, "crl_sign": is_authority}
    builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    if is_authority:
        return builder
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return builder.add_extension(identifier, critical=False)


def _to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def _read_key(text: str) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput("the private key is not PEM without a password: -----BEGIN PRIVATE KEY----- …") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise InvalidInput("the private key must be one of ECDSA, RSA or Ed25519")
    return key


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise InvalidInput(f"an RSA key needs at least {MIN_RSA_BITS} bits, this one has {key.key_size}")
        return "ps256"
    if key.curve.name not in CURVES:
        raise InvalidInput(f"an ECDSA key must be on one of {', '.join(CURVES)}, this one is on {key.curve.name}")
    return CURVES[key.curve.name]
