"""All generated files of both clients, written below a folder or in their places."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from clients.generator import python_models
from clients.generator.document import ROOT, read_document
from clients.generator.sync_code import sync_modules
from clients.generator.typescript import NodePackages, error_code_module, openapi_types

PYTHON = Path("clients/python/easyanimate_client")
FIRST_PARTY = 'lint.isort.known-first-party = ["easyanimate_client"]'
TYPESCRIPT = Path("clients/typescript/src/generated")


def write_files(folder: Path, codegen: Path, packages: NodePackages) -> None:
    """Writes each file to its place below `folder`. `codegen` is the program of datamodel-code-generator."""
    document = read_document()
    modules = {
        PYTHON / "records.py": python_models.records(document, codegen),
        PYTHON / "bodies.py": python_models.bodies(document, codegen),
        PYTHON / "error_codes.py": python_models.error_classes(document),
        **{PYTHON / "_sync" / name: code for name, code in sync_modules().items()},
    }
    _write(folder, modules)
    _format(folder, list(modules))
    types = {"openapi.ts": openapi_types(packages), "error-codes.ts": error_code_module(document)}
    _write(folder, {TYPESCRIPT / name: code for name, code in types.items()})


def _write(folder: Path, files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _format(folder: Path, paths: list[Path]) -> None:
    """Applies the safe repairs and the format of Ruff to these modules."""
    for command in (["check", "--fix", "--exit-zero", "--silent"], ["format", "--quiet"]):
        ruff = [
            sys.executable,
            "-m",
            "ruff",
            *command,
            "--config",
            ROOT / "pyproject.toml",
            "--config",
            FIRST_PARTY,
            *paths,
        ]
        subprocess.run(ruff, check=True, cwd=folder)
