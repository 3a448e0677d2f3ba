"""The TypeScript client: its tests run in Node against the running service."""

import base64
import os
import re
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.clients.environments import node, typescript_client
from tests.clients.own.front_end import FrontEnd

TESTS = Path(__file__).parents[3] / "clients" / "typescript" / "test"


def png() -> str:
    """A small PNG in base64."""
    out = BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.test.js")))
def test_the_tests_of_the_typescript_client_pass(service: FrontEnd, name: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "EASYANIMATE_URL": service.url,
        "EASYANIMATE_API_KEY": service.key,
        "LIMITED_KEY": service.limited_key(1),
        "PNG": png(),
    }
    command = [node(), "--test", "--test-reporter=spec", "--test-timeout=240000", f"test/{name}"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=typescript_client(), timeout=300
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"pass (\d+)", done.stdout)
    assert passed is not None
    assert int(passed[1]) == (TESTS / name).read_text().count("\ntest(")
