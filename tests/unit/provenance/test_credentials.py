"""Credentials: the local authority is made once, and keys that do not fit are refused with a sentence."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from easyanimate.errors import InvalidInput
from easyanimate.provenance.credentials import LOCAL_FILE, SigningCredentials, local_credentials
from easyanimate.provenance.marking import ProvenanceMarker
from jobs.invalid_settings import InvalidSettings
from worker.settings import WorkerSettings
from worker.signing import open_marker


def test_the_local_authority_is_made_once_and_its_file_is_private(tmp_path: Path) -> None:
    first, again = local_credentials(tmp_path), local_credentials(tmp_path)
    assert first == again
    assert (tmp_path / LOCAL_FILE).stat().st_mode & 0o777 == 0o600
    assert first.valid_until.year > datetime.now(UTC).year + 10
    assert "PRIVATE KEY" not in repr(first)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, credentials: SigningCredentials) -> None:
    other = local_credentials(tmp_path)
    with pytest.raises(InvalidInput, match="does not fit"):
        SigningCredentials.from_pem(credentials.certificates, other.key)


def test_a_certificate_without_its_authority_is_refused(credentials: SigningCredentials) -> None:
    leaf = credentials.certificates.partition("-----END CERTIFICATE-----\n")
    with pytest.raises(InvalidInput, match="authority is missing"):
        SigningCredentials.from_pem(leaf[0] + leaf[1], credentials.key)


@pytest.mark.parametrize(("certificate", "key"), [("no PEM", None), (None, "no PEM")])
def test_text_that_is_no_pem_is_refused(
    credentials: SigningCredentials, certificate: str | None, key: str | None
) -> None:
    with pytest.raises(InvalidInput, match="not PEM"):
        SigningCredentials.from_pem(certificate or credentials.certificates, key or credentials.key)


def test_an_expired_certificate_is_refused() -> None:
    authority = trustme.CA()
    past = datetime(2020, 1, 1, tzinfo=UTC)
    issued = authority.issue_cert("signer.example", not_before=past, not_after=datetime(2021, 1, 1, tzinfo=UTC))
    chain = issued.cert_chain_pems[0].bytes().decode() + authority.cert_pem.bytes().decode()
    with pytest.raises(InvalidInput, match="valid from 2020-01-01 to 2021-01-01 only"):
        SigningCredentials.from_pem(chain, issued.private_key_pem.bytes().decode())


def test_half_a_pair_is_refused_in_one_sentence(
    credentials: SigningCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYANIMATE_C2PA_CERTIFICATE", credentials.certificates)
    with pytest.raises(InvalidSettings, match="a pair is needed: set EASYANIMATE_C2PA_PRIVATE_KEY too"):
        WorkerSettings.read()


def test_the_pair_of_the_settings_signs(credentials: SigningCredentials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_C2PA_CERTIFICATE", credentials.certificates)
    monkeypatch.setenv("EASYANIMATE_C2PA_PRIVATE_KEY", credentials.key)
    settings = WorkerSettings.read()
    assert isinstance(open_marker(settings), ProvenanceMarker)
    assert "PRIVATE KEY" not in repr(settings)


def test_a_pair_that_does_not_fit_is_refused_at_the_start(
    credentials: SigningCredentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYANIMATE_C2PA_CERTIFICATE", credentials.certificates)
    monkeypatch.setenv("EASYANIMATE_C2PA_PRIVATE_KEY", local_credentials(tmp_path).key)
    with pytest.raises(InvalidSettings, match="EASYANIMATE_C2PA_PRIVATE_KEY: the private key does not fit") as refusal:
        open_marker(WorkerSettings.read())
    assert "BEGIN" not in str(refusal.value)
