"""The examples of the guide and of both READMEs run against the service, each page as one program per language."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from clients.generator.document import ROOT
from tests.clients.environments import node, typescript_client
from tests.clients.own.front_end import VIDEO, FrontEnd

ADDRESS = "http://127.0.0.1:8000"
GUIDE = ROOT / "docs" / "guides" / "clients.md"
PYTHON_PAGES = [GUIDE, ROOT / "clients" / "python" / "README.md"]
TYPESCRIPT_PAGES = [GUIDE, ROOT / "clients" / "typescript" / "README.md"]


def example(page: Path, language: str) -> str:
    """The marked blocks of a page in one language."""
    fences = [token for token in MarkdownIt("commonmark").parse(page.read_text()) if token.type == "fence"]
    blocks = [token.content for token in fences if token.info == f"{language} example"]
    assert blocks
    return "".join(blocks)


def run(command: list[Path | str], folder: Path, service: FrontEnd) -> None:
    environment = {"PATH": os.environ["PATH"], "EASYANIMATE_API_KEY": service.key, "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.name)
def test_the_python_examples_run(page: Path, service: FrontEnd, tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(example(page, "python").replace(ADDRESS, service.url))
    run([sys.executable, program], tmp_path, service)
    assert (tmp_path / "cross.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("page", TYPESCRIPT_PAGES, ids=lambda page: page.name)
def test_the_typescript_examples_run(page: Path, service: FrontEnd, tmp_path: Path) -> None:
    program = tmp_path / "example.mts"
    program.write_text(example(page, "ts").replace(ADDRESS, service.url))
    client = typescript_client()
    packages = tmp_path / "node_modules"
    (packages / "@easyanimate").mkdir(parents=True)
    (packages / "@easyanimate" / "client").symlink_to(client)
    (packages / "ai").symlink_to(client / "node_modules" / "ai")
    run([node(), program], tmp_path, service)
    assert (tmp_path / "cross.mp4").read_bytes() == VIDEO
