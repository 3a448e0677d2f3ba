"""The images of the feature page can be rendered again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"


def test_the_program_renders_the_published_image(tmp_path: Path) -> None:
    command = [sys.executable, "feature_strips.py", "text-to-image", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=DOCS, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    rendered, published = (
        np.asarray(Image.open(folder / "text-to-image.jpg"), int) for folder in (tmp_path, DOCS / "images")
    )
    assert rendered.shape == published.shape
    assert np.abs(rendered - published).mean() < 6  # of 255 levels: machines round differently, and JPEG is lossy
