"""All generated files of both clients with their content."""

import subprocess
import sys
from pathlib import Path

from clients.generator import python_models
from clients.generator.document import ROOT, read_document
from clients.generator.sync_code import PACKAGE, sync_modules


def python_files(codegen: Path) -> dict[Path, str]:
    """The generated modules of the Python client; `codegen` is the program of datamodel-code-generator."""
    document = read_document()
    modules = {
        PACKAGE / "records.py": python_models.records(document, codegen),
        PACKAGE / "bodies.py": python_models.bodies(document, codegen),
        PACKAGE / "error_codes.py": python_models.error_classes(document),
        **sync_modules(),
    }
    return {path: _formatted(path, code) for path, code in modules.items()}


def _formatted(path: Path, code: str) -> str:
    """`code` after the formatter and the safe repairs of Ruff."""
    for command in (["check", "--fix", "--exit-zero"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", path, "-"]
        code = subprocess.run(ruff, input=code, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return code
