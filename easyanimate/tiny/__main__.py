"""`python -m easyanimate.tiny FOLDER` copies the small model to a folder."""

import argparse
import sys
from pathlib import Path

from easyanimate.tiny.shipped import copy_tiny_model


def main() -> None:
    """Copies the small model to the folder on the command line."""
    parser = argparse.ArgumentParser(prog="python -m easyanimate.tiny", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder; it is created if missing")
    folder = copy_tiny_model(parser.parse_args().folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    sys.stdout.write(f"{folder}: {size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
