"""A skipped test fails the run, with a sentence that names what is missing; only tests of a GPU may be skipped."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import MAY_SKIP

ROOT = Path(__file__).parents[2]
CASES = """
import pytest

@pytest.fixture
def browser():
    pytest.skip("Chromium is missing")

def test_skip_in_the_fixture(browser): ...

def test_skip_in_the_test():
    pytest.skip("the recording is missing")

@pytest.mark.skip(reason="switched off")
def test_mark(): ...

@pytest.mark.skipif(True, reason="there is no CUDA device")
def test_gpu_reason_without_the_marker(): ...

@pytest.mark.gpu
@pytest.mark.skipif(True, reason="there is no browser")
def test_gpu_marker_with_another_reason(): ...

@pytest.mark.gpu
@pytest.mark.skipif(True, reason="there is no CUDA device")
def test_gpu(): ...

@pytest.mark.xfail(reason="a known fault")
def test_expected_failure():
    assert False

@pytest.mark.parametrize("value", [])
def test_no_parameters(value): ...

def test_import():
    pytest.importorskip("no_such_module")

def test_that_passes(): ...
"""
FAILED = {
    "test_skip_in_the_fixture": "Chromium is missing",
    "test_skip_in_the_test": "the recording is missing",
    "test_mark": "switched off",
    "test_gpu_reason_without_the_marker": "there is no CUDA device",
    "test_gpu_marker_with_another_reason": "there is no browser",
    "test_expected_failure": "expected to fail a known fault",
    "test_no_parameters": "got empty parameter set",
    "test_import": "no_such_module",
}


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the tests in this folder with the settings of the project and the rule on skipped tests."""
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", folder]
    command += ["-p", "tests.skips", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-rA", *options, folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)


@pytest.fixture(scope="module", params=["in one process", "in a child process"])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A run with a test of each kind."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "test_cases.py").write_text(CASES)
    return run_pytest(folder, *(["-p", "xdist", "-n", "1"] if request.param == "in a child process" else []))


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The outcome of each test by name."""
    lines = re.findall(r"^(PASSED|FAILED|ERROR) \S*::(test_\w+)", done.stdout, re.M)
    return {name: outcome for outcome, name in lines}


def test_only_the_test_of_a_gpu_is_skipped(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert "1 skipped" in done.stdout
    assert outcomes(done).keys() == {*FAILED, "test_that_passes"}
    assert outcomes(done)["test_that_passes"] == "PASSED"


@pytest.mark.parametrize("name", FAILED)
def test_any_other_skipped_test_fails_and_names_what_is_missing(
    done: subprocess.CompletedProcess[str], name: str
) -> None:
    assert outcomes(done)[name] in ("FAILED", "ERROR")  # an error if the set-up skipped it
    assert re.search(rf"did not run to its end: .*{FAILED[name]}.*; install what is missing", done.stdout)


def test_a_file_that_is_skipped_as_a_whole_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_file.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    done = run_pytest(tmp_path)
    assert done.returncode != 0
    assert re.search("the tests of this file did not run: .*no_such_module.*; install what is missing", done.stdout)


def test_skipped_tests_of_a_gpu_alone_do_not_fail_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_gpu.py").write_text(
        "import pytest\n\n@pytest.mark.gpu\n@pytest.mark.skipif(True, reason='there is no CUDA device')\n"
        "def test_gpu(): ...\n\ndef test_other(): ...\n"
    )
    assert run_pytest(tmp_path).returncode == 0


def test_this_run_applies_the_rule(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("tests.skips")


def test_only_tests_of_a_gpu_may_be_skipped() -> None:
    assert MAY_SKIP == {"gpu": "there is no CUDA device"}


def test_the_marker_gpu_is_used_below_tests_gpu_only() -> None:
    users = [path for path in (ROOT / "tests").rglob("test_*.py") if "mark.gpu" in path.read_text(encoding="utf-8")]
    assert {path.parent for path in users} - {Path(__file__).parent} == {ROOT / "tests" / "gpu"}
