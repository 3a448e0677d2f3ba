"""`python -m easyanimate.training vae|transformer|lora FILE [--set run.steps=10]` runs a training."""

import sys

from easyanimate.training.run.command import main

if __name__ == "__main__":
    sys.exit(main())
