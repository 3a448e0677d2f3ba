"""The pictures of the page of features can be made again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"


def test_the_program_makes_the_picture_that_is_shown(tmp_path: Path) -> None:
    command = [sys.executable, "feature_strips.py", "text-to-image", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=DOCS, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    made, shown = (np.asarray(Image.open(folder / "text-to-image.jpg"), int) for folder in (tmp_path, DOCS / "images"))
    assert made.shape == shown.shape
    assert np.abs(made - shown).mean() < 6  # of 255 levels: other machines round otherwise, and JPEG is not exact
