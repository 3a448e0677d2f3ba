"""The images of the feature page can be rendered again."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"


def test_the_program_renders_the_published_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS)
    monkeypatch.setattr(sys, "argv", ["feature_strips.py", "text-to-image", "--output", str(tmp_path)])
    runpy.run_path("feature_strips.py", run_name="__main__")
    rendered, published = (
        np.asarray(Image.open(folder / "text-to-image.jpg"), int) for folder in (tmp_path, DOCS / "images")
    )
    assert rendered.shape == published.shape
    assert np.abs(rendered - published).mean() < 6  # of 255 levels: machines round differently, and JPEG is lossy
