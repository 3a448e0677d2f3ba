"""The code of a release, taken from git into a folder of its own."""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMITS = {"v0.2.0": "035cb745ade3643ba4241c73e3c7aca9aad4b2a9"}  # a clone may have the commits without the tags


class ReleaseMissing(Exception):
    """The clone does not have the release; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """A name for the table, the commit, and the folder of its code."""

    name: str
    commit: str
    folder: Path

    def environment(self) -> dict[str, str]:
        """The environment in which Python imports this code, with the libraries of this virtual environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EASYANIMATE_")}
        return {**kept, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}

    def run(self, code: str) -> str:
        """Runs Python code of this release; returns what it prints."""
        command, environment = [sys.executable, "-c", code], self.environment()
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def models_dir(self) -> Path:
        """The folder with the small model of this release; it is created at the first call."""
        models = self.folder / "models"
        if not models.exists():
            code = "from easyanimate.tiny import TINY_MODEL, copy_tiny_model; from pathlib import Path; "
            self.run(f"{code}copy_tiny_model(Path({str(models)!r}) / TINY_MODEL)")
        return models


def find_commit(name: str, root: Path = ROOT) -> str:
    """The commit of a tag, branch or commit. Raises ReleaseMissing."""
    for candidate in (name, COMMITS.get(name)):
        if candidate and (commit := _resolve(candidate, root)):
            return commit
    advice = "fetch it with `git fetch --tags`, or choose another: make upgrade-test RELEASE=COMMIT"
    raise ReleaseMissing(f"this clone has no release {name}; {advice}")


def _resolve(name: str, root: Path) -> str | None:
    """The short commit of a name that git knows."""
    if shutil.which("git") is None:
        return None
    command = ["git", "rev-parse", "--verify", "--quiet", "--short=9", f"{name}^{{commit}}"]
    resolved = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return resolved.stdout.strip() if resolved.returncode == 0 else None


def check_out(name: str, folder: Path, root: Path = ROOT) -> Release:
    """Writes the code of a release to `folder`, and checks that Python imports it from there. Raises ReleaseMissing."""
    commit = find_commit(name, root)
    archive = subprocess.run(["git", "archive", commit], cwd=root, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    release = Release(name, commit, folder)
    printed = release.run("import jobs, service, worker; print(jobs.__file__, service.__file__, worker.__file__)")
    assert all(path.startswith(str(folder)) for path in printed.split()), printed
    return release
