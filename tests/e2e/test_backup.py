"""The backup and restore of the runbook: a backup is restored, and finished videos survive a total loss of Redis.

The commands are extracted from docs/operations/running.md.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
from redis import Redis

from cli.stack.stack import LocalStack, StackPlan
from tests.e2e.conftest import ENDLESS
from tests.stack_plan import stack_plan

pytestmark = pytest.mark.slow

KEYS = {"alice": "sk-of-alice", "bob": "sk-of-bob"}
RUNBOOK = Path(__file__).parents[2] / "docs" / "operations" / "running.md"


def commands(heading: str) -> list[str]:
    """The shell blocks of a section of the runbook."""
    section = RUNBOOK.read_text().split(f"\n### {heading}\n")[1].split("\n#")[0]
    return [dedent(block) for block in re.findall(r"^ *```sh\n(.*?)^ *```", section, re.S | re.M)]


class RestartableService:
    """The service with one data folder, which can be stopped and restarted."""

    def __init__(self, plan: StackPlan) -> None:
        self.plan = plan
        self.api_of: Callable[[str], Any]
        self.stack = LocalStack(plan).start()

    def restart(self) -> None:
        self.stack = LocalStack(self.plan).start()

    def run(self, command: str) -> str:
        """Runs the command in a shell beside the data folder; returns its output."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("EASYANIMATE_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        shell = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(
            shell,
            cwd=self.plan.data_dir.parent,
            env={**variables, "PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def of(self, name: str) -> Any:
        """A client with the API key of `name`."""
        api = self.api_of(self.stack.url)
        api.http.headers["Authorization"] = f"Bearer {KEYS[name]}"
        return api

    def check_access(self, record: dict[str, Any]) -> None:
        """Checks that Alice can read the record and the content, and that Bob cannot."""
        alice, path = self.of("alice"), f"/v1/videos/{record['id']}"
        restored = alice.get(record["id"])
        same = ("status", "prompt", "seed", "content_sha256", "created_at", "metadata")
        assert {name: restored[name] for name in same} == {name: record[name] for name in same}
        for response in (alice.http.get(f"{path}/content"), httpx.get(restored["url"], timeout=60)):
            assert hashlib.sha256(response.raise_for_status().content).hexdigest() == record["content_sha256"]
        assert alice.http.get(f"{path}/content?variant=thumbnail").status_code == 200
        assert record["id"] in [video["id"] for video in alice.http.get("/v1/videos").json()["data"]]
        assert self.of("bob").http.get(path).status_code == 404


@pytest.fixture(scope="module")
def _service(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    short_intervals: dict[str, str],
) -> Iterator[RestartableService]:
    folder = tmp_path_factory.mktemp("service")
    plan = stack_plan(folder, models_dir, {**short_intervals, "EASYANIMATE_API_KEYS": ",".join(KEYS.values())})
    service = RestartableService(plan)
    yield service
    service.stack.stop()


@pytest.fixture
def service(_service: RestartableService, api_of: Callable[[str], Any]) -> RestartableService:
    """The service, shared by both tests because its start is slow."""
    _service.api_of = api_of
    return _service


def test_finished_videos_are_restored_after_a_total_loss_of_redis(
    service: RestartableService, wait_until: Callable[..., None]
) -> None:
    alice = service.of("alice")
    record = alice.ended(alice.create(metadata={"order": "17"}))
    running = alice.create(**ENDLESS)
    assert service.stack.redis
    with Redis.from_url(service.stack.redis.url) as redis:
        redis.flushall()
    assert alice.http.get(f"/v1/videos/{record['id']}").status_code == 404
    dry_run, restore = commands("Restore")[1].splitlines()
    assert "would restore 1 finished video\n" in service.run(dry_run)
    assert alice.http.get(f"/v1/videos/{record['id']}").status_code == 404
    assert "restored 1 finished video\n" in service.run(restore)
    service.check_access(record)
    assert alice.http.get(f"/v1/videos/{running}").status_code == 404
    assert "1 exist already" in service.run(restore)
    wait_until(lambda: alice.http.get("/v1/models").json()["data"])  # workers announce their models every ten seconds
    assert alice.ended(alice.create())["status"] == "completed"  # worker and queue work as before


def test_a_backup_is_restored_with_the_videos_finished_during_it(service: RestartableService) -> None:
    of_redis, of_files = commands("Back up")[0].splitlines()
    copy_back, rebuild = commands("Restore")
    alice = service.of("alice")
    before = alice.ended(alice.create(seed=1))
    service.run(of_redis)
    between = alice.ended(alice.create(seed=2))
    service.run(of_files)
    after = alice.ended(alice.create(seed=3))
    service.stack.stop()
    service.run(copy_back)
    service.restart()
    service.check_access(before)
    alice = service.of("alice")
    assert alice.http.get(f"/v1/videos/{between['id']}").status_code == 404
    service.run(rebuild)
    service.check_access(between)
    assert alice.http.get(f"/v1/videos/{after['id']}").status_code == 404
    assert httpx.get(before["url"], timeout=60).status_code == 200  # an old link: the signing secrets are restored too
    assert alice.ended(alice.create())["status"] == "completed"
