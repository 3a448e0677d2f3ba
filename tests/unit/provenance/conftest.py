"""A certificate, a marker with it, and files of each format."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from easyanimate.files.video_writer import Mp4Writer
from easyanimate.provenance.claims import ProvenanceClaim
from easyanimate.provenance.credentials import SigningCredentials, local_credentials
from easyanimate.provenance.marking import ProvenanceMarker

CLAIM = ProvenanceClaim(title="video_1", version="1", model="tiny", model_sha256="ab", video_id="video_1")


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> SigningCredentials:
    return local_credentials(tmp_path_factory.mktemp("signing"))


@pytest.fixture(scope="session")
def marker(credentials: SigningCredentials) -> ProvenanceMarker:
    return ProvenanceMarker(credentials, 'Studio "8" & co')


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes an unmarked file with this suffix."""

    def make(suffix: str, name: str = "file") -> Path:
        path = tmp_path / f"{name}{suffix}"
        frames = np.random.default_rng(1).integers(0, 255, (8, 48, 64, 3), np.uint8)
        if suffix == ".mp4":
            with Mp4Writer(path, width=64, height=48, fps=8, comment='{"model": "tiny"}') as writer:
                writer.write(frames)
        else:
            Image.fromarray(frames[0]).save(path)
        return path

    return make
