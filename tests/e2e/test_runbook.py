"""The commands of the runbook (docs/operations/alerts.md and running.md) run against the live service."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from redis import Redis
from typer.testing import CliRunner

from cli.main import app
from cli.stack.stack import LocalStack
from jobs.model.model_card import ModelCard
from jobs.queue.registry import Registry
from tests.e2e.conftest import METRICS_PORTS

PAGES = Path(__file__).parents[2] / "docs" / "operations"
PAGE = (PAGES / "alerts.md").read_text()
OPERATORS = (PAGES / "running.md").read_text().split("\n## Pause, drain, list\n")[1].split("\n## ")[0]
RETIRED = "model-without-a-worker"
Run = Callable[[str], str]


@pytest.fixture
def run(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command with the settings of the service; returns its output."""
    assert stack.redis
    settings = {"REDIS_URL": stack.redis.url, "DATA_DIR": stack.plan.data_dir, "MODELS_DIR": stack.plan.models_dir}
    for name, value in settings.items():
        monkeypatch.setenv(f"EASYANIMATE_{name}", str(value))

    def run(command: str) -> str:
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.mark.slow
def test_each_command_of_the_runbook_works_on_a_live_service(stack: LocalStack, run: Run, card: ModelCard) -> None:
    commands = set(re.findall(r"(?m)^(easyanimate [a-z ]+)$|`(easyanimate [a-z][^`]*)`", PAGE))
    found = {first or second for first, second in commands}
    assert found == {"easyanimate doctor", "easyanimate keys list", "easyanimate models retire NAME"}
    assert stack.redis
    with Redis.from_url(stack.redis.url) as redis:
        Registry(redis).announce(card.model_copy(update={"name": RETIRED}), "gone")
        Registry(redis).withdraw(RETIRED, "gone")
    for command in found:
        run(command.replace("NAME", RETIRED))
    names = [model["id"] for model in httpx.get(f"{stack.url}/v1/models", trust_env=False, timeout=60).json()["data"]]
    assert RETIRED not in names


@pytest.mark.slow
def test_the_commands_of_operators_work_on_a_live_service(
    stack: LocalStack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYANIMATE_URL", stack.url)
    (block,) = re.findall(r"```sh\n(.*?)```", OPERATORS, re.S)
    key, *commands, drain = block.strip().splitlines()
    assert key.startswith("easyanimate keys create")
    assert drain.startswith(
        "easyanimate workers drain"
    )  # it would end the worker of other tests; test_operators.py has it
    outputs = {command: run(command) for command in commands}
    assert "easyanimate-v3-tiny" in outputs["easyanimate queues list"]
    assert "easyanimate-v3-tiny" in outputs["easyanimate workers list"]


def test_each_address_of_the_runbook_answers(stack: LocalStack) -> None:
    assert re.findall(r"http://HOST:8000(/\w+)", PAGE) == ["/healthz"]
    assert httpx.get(f"{stack.url}/healthz", trust_env=False, timeout=60).status_code == 200
    assert "`/livez`" in PAGE
    for name in METRICS_PORTS:
        url = f"http://127.0.0.1:{stack.plan.environment[name]}/livez"
        assert httpx.get(url, trust_env=False, timeout=60).status_code == 200
    (path,) = re.findall(r"`GET (/v1/[^`]+)`", PAGE)
    missing = httpx.get(stack.url + path.replace("{video_id}", "video_unknown"), trust_env=False, timeout=60)
    assert missing.json()["error"]["code"] == "video_not_found"
