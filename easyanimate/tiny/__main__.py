"""`python -m easyanimate.tiny FOLDER [--seed 0]` makes the small model."""

import argparse
import sys
from pathlib import Path

from easyanimate.tiny import make_tiny_model


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m easyanimate.tiny", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to put it; made if missing")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights (default 0)")
    arguments = parser.parse_args()
    folder = make_tiny_model(arguments.folder, seed=arguments.seed)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    sys.stdout.write(f"{folder}: {size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
