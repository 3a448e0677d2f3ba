"""Marks of files that are rendered on this machine, and their check."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.version import VERSION

if TYPE_CHECKING:
    from PIL import Image

    from easyanimate.files.manifest import Manifest
    from easyanimate.provenance.checks import MarkResult
    from easyanimate.render import RenderInputs
    from worker.settings import WorkerSettings


def mark_output(path: Path, manifest: "Manifest", inputs: "RenderInputs") -> None:
    """Marks the rendered file with the certificate of the settings. Raises InvalidSettings, SigningFailed, OSError."""
    import json

    from easyanimate.files.manifest import file_sha256
    from easyanimate.provenance.claims import ClaimIngredient, ProvenanceClaim
    from jobs.storage.paths import content_type_of
    from worker.attempt.result.provenance import without_prompt_texts
    from worker.signing import open_marker

    marker = open_marker(_settings())
    files = inputs.files.items()
    claim = ProvenanceClaim(
        title=path.name,
        version=VERSION,
        model=manifest.model,
        model_sha256=manifest.model_sha256,
        unsigned_sha256=file_sha256(path),
        reproduction=without_prompt_texts(json.loads(manifest.compact())),
        ingredients=tuple(ClaimIngredient(name, content_type_of(each.name), file_sha256(each)) for name, each in files),
    )
    marker.mark_file(path, claim)


def marked_image_saver(model: str, model_sha256: str) -> "Callable[[Image.Image, Path], None]":
    """A function that saves an image with frames of `model` as a PNG, marked with the certificate of the settings.

    Raises InvalidSettings, and the function SigningFailed or OSError.
    """
    from io import BytesIO

    from easyanimate.provenance.claims import ProvenanceClaim
    from worker.signing import open_marker

    marker = open_marker(_settings())

    def save(image: "Image.Image", path: Path) -> None:
        plain = BytesIO()
        image.save(plain, "PNG")
        claim = ProvenanceClaim(title=path.name, version=VERSION, model=model, model_sha256=model_sha256)
        path.write_bytes(marker.mark_image(plain.getvalue(), "image/png", claim))

    return save


def trusted_here() -> str:
    """The trusted certificates of the settings, and the own certificate of this machine."""
    from easyanimate.provenance.credentials import local_chain

    settings = _settings()
    configured = (settings.c2pa_trusted_certificates, settings.c2pa_certificate)
    texts = [each.get_secret_value() for each in configured if each is not None]
    return "\n".join([*texts, local_chain(settings.data_dir) or ""])


def check_file_marks(path: Path, trusted: str) -> "tuple[MarkResult, ...]":
    """The results for a file, read in a limited process as the service does. Raises InvalidRequest, OSError."""
    from easyanimate.provenance.checks import MarkResult
    from service.inputs.media import MediaLimits, MediaReader, check_file_format
    from service.inputs.media_process import media_process
    from service.settings import ServiceSettings

    data, limits = path.read_bytes(), ServiceSettings.model_fields
    memory, timeout = limits["media_memory_bytes"].default, limits["media_timeout_s"].default
    reader = MediaReader(media_process(), MediaLimits(0, memory, timeout))
    results = reader.read_marks(data, check_file_format(data).media_type, trusted)
    return tuple(MarkResult(**result) for result in results)


def _settings() -> "WorkerSettings":
    from worker.settings import WorkerSettings  # with the client of Redis, which rendering does not need

    return WorkerSettings.read()
