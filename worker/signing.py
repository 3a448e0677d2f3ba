"""The key and certificate that a process signs results with: those of the settings, or of the local authority."""

from easyanimate.errors import InvalidInput
from easyanimate.provenance.credentials import SigningCredentials, local_credentials
from easyanimate.provenance.marking import ProvenanceMarker, SigningFailed
from jobs.invalid_settings import InvalidSettings
from jobs.settings import Settings


def open_marker(settings: Settings) -> ProvenanceMarker:
    """The marker of these settings. Raises InvalidSettings with one sentence."""
    try:
        marker = ProvenanceMarker(read_credentials(settings), settings.aigc_producer)
        marker.check()
    except (InvalidInput, SigningFailed) as error:
        raise InvalidSettings([f"{_source(settings)}: {error}"]) from error
    except OSError as error:
        raise InvalidSettings([f"{_source(settings)}: {error.filename}: {error.strerror}"]) from error
    return marker


def read_credentials(settings: Settings) -> SigningCredentials:
    """The credentials of these settings. Raises InvalidInput, OSError."""
    certificate, key = settings.c2pa_certificate, settings.c2pa_private_key
    if certificate is None or key is None:  # the settings refuse one without the other
        return local_credentials(settings.data_dir)
    return SigningCredentials.from_pem(certificate.get_secret_value(), key.get_secret_value())


def _source(settings: Settings) -> str:
    names = "EASYANIMATE_C2PA_CERTIFICATE and EASYANIMATE_C2PA_PRIVATE_KEY"
    return names if settings.c2pa_certificate is not None else "the local signing certificate in the data folder"
