"""The names of the subjects. Unlike `subject.py` it needs no library of mutation testing."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUBJECTS = Path(__file__).with_name("subjects.toml")


def subject_names() -> list[str]:
    """The names in subjects.toml, in its order."""
    return list(tomllib.loads(SUBJECTS.read_text(encoding="utf-8")))
