"""The images hold what the documents name: a folder is built from each Dockerfile, and commands run in it."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from jobs.version import VERSION
from tests.deploy.image import Replay

ROOT = Path(__file__).parents[2]
IMAGES = {"service": ROOT / "deploy" / "service.Dockerfile", "worker": ROOT / "deploy" / "worker.Dockerfile"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Prints the help of each command of the arguments, then exits with the number of failures.
HELP = """
import json, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))
from typer.testing import CliRunner
from cli.main import app
failures = [words for words in json.loads(sys.argv[2]) if CliRunner().invoke(app, [*words, "--help"]).exit_code]
print(json.dumps([failures, sys.modules["cli"].__file__]))
"""
# Runs one command with modules that the image does not have.
RUN = """
import json, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))
sys.argv = ["easyanimate", *sys.argv[2:]]
from cli.main import app
app(prog_name="easyanimate")
"""


def installed(image: str) -> set[str]:
    """The distributions that the Dockerfile installs."""
    names = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / f"{image}.txt").read_text(), re.M))
    return {name.lower() for name in names} | ({"torch"} if image == "worker" else set())


def missing_modules(image: str) -> list[str]:
    """The modules of this environment that the image does not have."""
    of_image = installed(image) | {"easyanimate-service"}
    normalized = {
        module: {re.sub(r"[-_.]+", "-", name).lower() for name in names}
        for module, names in packages_distributions().items()
    }
    return sorted(
        module for module, names in normalized.items() if not names & of_image and not (ROOT / module).exists()
    )


def build(image: str, folder: Path) -> Replay:
    """Replays the Dockerfile of the image."""
    return Replay(IMAGES[image], folder)


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def replay(image: str, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return build(image, tmp_path_factory.mktemp(image))


@pytest.fixture(scope="module")
def application(replay: Replay) -> Path:
    return replay.application


def run(application: Path, program: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EASYANIMATE_")}
    environment |= {"PYTHONPATH": str(application), **variables}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment, timeout=300)


def documented_commands() -> list[list[str]]:
    """The words after `easyanimate` in the code of all pages, two at most."""
    words = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for code in re.findall(r"^```.*?^```|^    .*$|`[^`\n]+`", text, re.M | re.S):
            words |= set(re.findall(r"(?<![\w/.-])(?<!from )easyanimate ((?:[a-z]+)(?: [a-z]+)?)\b(?![./_=-])", code))
    return [words.split() for words in sorted(words)]


def test_an_image_has_labels_with_its_version_and_licence(replay: Replay, image: str) -> None:
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in replay.labels.items()}
    assert labels["title"] == f"EasyAnimate {image}"
    assert (labels["version"], labels["licenses"]) == (VERSION, "Apache-2.0")
    bases = re.findall(r"^FROM (\S+)", IMAGES[image].read_text(), re.M)
    assert {f"docker.io/library/{base}" for base in bases} == {labels["base.name"]}


def test_an_image_has_the_stages_of_a_build_and_a_result_without_its_tools(replay: Replay) -> None:
    assert list(replay.stages) == ["build", "image"]
    assert (replay.stages["build"] / "app" / "requirements").is_dir()
    assert not (replay.root / "opt" / "sbom").exists()


def test_a_process_of_an_image_has_an_init_and_no_privileges(replay: Replay) -> None:
    assert (replay.entrypoint, replay.user) == (["tini", "--"], "10001:0")
    assert (replay.environment["HOME"], replay.environment["TMPDIR"]) == ("/tmp", "/tmp")
    assert (replay.root / "data").stat().st_mode & 0o7777 == 0o2770


def test_the_documents_name_commands() -> None:
    assert ["doctor"] in documented_commands()
    assert ["keys", "create"] in documented_commands()


@pytest.mark.slow
def test_each_documented_command_exists_in_the_image(application: Path, image: str) -> None:
    commands = [words for words in documented_commands() if len(words) == 1 or words[0] in ("models", "keys", "train")]
    done = run(application, HELP, json.dumps(missing_modules(image)), json.dumps(commands))
    assert done.returncode == 0, done.stderr
    failures, module = json.loads(done.stdout)
    assert failures == []
    assert Path(module).is_relative_to(application)


def test_the_command_of_the_image_runs_from_any_folder(application: Path) -> None:
    script = application.parent / "usr" / "local" / "bin" / "easyanimate"
    assert os.access(script, os.X_OK)
    text = script.read_text().replace("/app", str(application)).replace("python", sys.executable)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        ["sh", "-c", text, "easyanimate", "keys", "--help"], capture_output=True, text=True, cwd="/", env=environment
    )
    assert (done.returncode, "revoke" in done.stdout) == (0, True), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("words", [["keys", "list"], ["rebuild", "--dry-run"], ["doctor"]], ids=" ".join)
def test_the_commands_of_an_operator_run_without_torch(words: list[str], redis_url: str, tmp_path: Path) -> None:
    application = build("service", tmp_path).application
    variables = {"EASYANIMATE_REDIS_URL": redis_url, "EASYANIMATE_DATA_DIR": str(tmp_path / "data")}
    done = run(application, RUN, json.dumps(missing_modules("service")), *words, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
