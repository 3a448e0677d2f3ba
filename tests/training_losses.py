"""The values in the CSV file of a training."""

import csv
from pathlib import Path


def read_losses(path: Path, name: str = "loss") -> dict[int, float]:
    """The values of one name in a CSV file of `TrainingLog`, by step."""
    with path.open(newline="", encoding="utf-8") as file:
        return {int(row["step"]): float(row["value"]) for row in csv.DictReader(file) if row["name"] == name}
