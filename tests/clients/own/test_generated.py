"""The generated files of both clients are those of the OpenAPI document, and the clients have each of its routes."""

import ast
import re
from pathlib import Path

import pytest

from clients.generator.document import ROOT, read_document
from clients.generator.files import PYTHON, TYPESCRIPT
from tests.clients.environments import generated_clients

OPERATIONS = ("/healthz", "/readyz", "/livez", "/startupz", "/metrics", "/v1/admin/")  # for operators, not for clients
GENERATED = sorted(
    [
        *(PYTHON / name for name in ("records.py", "bodies.py", "error_codes.py")),
        *(PYTHON / "_sync" / path.name for path in (ROOT / PYTHON / "_async").glob("*.py")),
        *(TYPESCRIPT / name for name in ("openapi.ts", "error-codes.ts")),
    ]
)


@pytest.mark.parametrize("path", GENERATED, ids=str)
def test_a_generated_file_is_that_of_the_document(path: Path) -> None:
    if (generated_clients() / path).read_text() != (ROOT / path).read_text():
        pytest.fail(f"{path} is old: run `make clients` and review the changes in Git")


def plain(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\$?\{[\w.]*\}", "{}", path)


def paths_of_the_service() -> set[str]:
    return {plain(path) for path in read_document()["paths"] if not path.startswith(OPERATIONS)}


def test_the_python_client_has_each_route() -> None:
    modules = [path.read_text() for path in (ROOT / PYTHON / "_async").glob("*.py")]
    texts = [node.value for module in modules for node in ast.walk(ast.parse(module)) if isinstance(node, ast.Constant)]
    assert {text for text in texts if isinstance(text, str) and text.startswith("/v1/")} == paths_of_the_service()


def test_the_typescript_client_has_each_route() -> None:
    modules = [path.read_text() for path in (ROOT / "clients" / "typescript" / "src").glob("*/*.ts")]
    routes = {plain(path) for module in modules for path in re.findall(r"route`(/v1/[^`]*)`", module)}
    assert routes == paths_of_the_service()
