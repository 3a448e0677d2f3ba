"""The generated modules of the TypeScript client: the types of the OpenAPI document, and the error codes."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clients.generator.document import SNAPSHOT, Document, error_codes
from clients.generator.python_models import NOTE


@dataclass(frozen=True)
class NodePackages:
    """The Node program, and the folder with the packages of the TypeScript client."""

    node: Path
    folder: Path


def openapi_types(packages: NodePackages) -> str:
    """The types of openapi-typescript. A field with a default is optional in a request."""
    program = packages.folder / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "openapi.ts"
        command = [packages.node, program, SNAPSHOT, "--output", target, "--default-non-nullable=false"]
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=packages.folder)
        return target.read_text(encoding="utf-8")


def error_code_module(document: Document) -> str:
    """The module with the status of each error code."""
    lines = [f"  {code}: {status}," for code, status in error_codes(document).items()]
    about = f"/** The status of each error code. {NOTE} */"
    return "\n".join([about, "export const ERROR_CODES = {", *lines, "} as const;", ""])
