"""What the runbook promises of data: a backup comes back, and finished videos outlive a total loss of Redis.

The commands are those of docs/operations.md, run as they stand there.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from cli.stack.stack import LocalStack, StackPlan
from tests.stack_plan import stack_plan

KEYS = {"alice": "sk-of-alice", "bob": "sk-of-bob"}
RUNBOOK = Path(__file__).parents[2] / "docs" / "operations.md"


def commands(heading: str) -> list[str]:
    """The shell blocks of a section of the runbook."""
    section = RUNBOOK.read_text().split(f"\n### {heading}\n")[1].split("\n#")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


class House:
    """The service over one data folder, which may be stopped and started again."""

    def __init__(self, plan: StackPlan) -> None:
        self.plan = plan
        self.api_of: Callable[[str], Any]
        self.stack = LocalStack(plan).start()

    def restart(self) -> None:
        self.stack = LocalStack(self.plan).start()

    def run(self, command: str) -> str:
        """What a shell says to the command, beside the data folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EASYANIMATE_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        shell = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(
            shell,
            cwd=self.plan.data_dir.parent,
            env={**kept, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def of(self, name: str) -> Any:
        """The service as this caller sees it."""
        api = self.api_of(self.stack.url)
        api.http.headers["Authorization"] = f"Bearer {KEYS[name]}"
        return api

    def check_plays(self, record: dict[str, Any]) -> None:
        """Alice has the video, by its record and by its link; for Bob it is not there."""
        alice, path = self.of("alice"), f"/v1/videos/{record['id']}"
        found = alice.get(record["id"])
        same = ("status", "prompt", "seed", "content_sha256", "created_at", "metadata")
        assert {name: found[name] for name in same} == {name: record[name] for name in same}
        for answer in (alice.http.get(f"{path}/content"), httpx.get(found["url"])):
            assert hashlib.sha256(answer.raise_for_status().content).hexdigest() == record["content_sha256"]
        assert alice.http.get(f"{path}/content?variant=thumbnail").status_code == 200
        assert record["id"] in [video["id"] for video in alice.http.get("/v1/videos").json()["data"]]
        assert self.of("bob").http.get(path).status_code == 404


@pytest.fixture(scope="module")
def _house(
    tmp_path_factory: pytest.TempPathFactory,
    models_dir: Path,
    impatient: dict[str, str],
) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    plan = stack_plan(folder, models_dir, {**impatient, "EASYANIMATE_API_KEYS": ",".join(KEYS.values())})
    house = House(plan)
    yield house
    house.stack.stop()


@pytest.fixture
def house(_house: House, api_of: Callable[[str], Any]) -> House:
    """A service that both tests share: to start it takes longer than all they do."""
    _house.api_of = api_of
    return _house


def test_finished_videos_outlive_a_total_loss_of_redis_and_the_service_goes_on(
    house: House, wait_until: Callable[..., None]
) -> None:
    alice = house.of("alice")
    record = alice.ended(alice.create(metadata={"order": "17"}))
    running = alice.create(num_inference_steps=200)
    assert house.stack.redis
    with Redis.from_url(house.stack.redis.url) as redis:
        redis.flushall()
    assert alice.http.get(f"/v1/videos/{record['id']}").status_code == 404
    look, do = commands("Restore")[1].splitlines()
    assert "would restore 1 finished videos" in house.run(look)
    assert alice.http.get(f"/v1/videos/{record['id']}").status_code == 404
    assert "restored 1 finished videos" in house.run(do)
    house.check_plays(record)
    assert alice.http.get(f"/v1/videos/{running}").status_code == 404
    assert "1 were known already" in house.run(do)
    wait_until(lambda: alice.http.get("/v1/models").json()["data"])  # workers say every ten seconds what they serve
    assert alice.ended(alice.create())["status"] == "completed"  # worker and queue are there as before


def test_a_backup_comes_back_and_what_was_finished_while_it_was_made(house: House) -> None:
    of_redis, of_files = commands("Back up")[0].splitlines()
    copy_back, find = commands("Restore")
    alice = house.of("alice")
    before = alice.ended(alice.create(seed=1))
    house.run(of_redis)
    between = alice.ended(alice.create(seed=2))
    house.run(of_files)
    after = alice.ended(alice.create(seed=3))
    house.stack.stop()
    house.run(copy_back)
    house.restart()
    house.check_plays(before)
    alice = house.of("alice")
    assert alice.http.get(f"/v1/videos/{between['id']}").status_code == 404
    house.run(find)
    house.check_plays(between)
    assert alice.http.get(f"/v1/videos/{after['id']}").status_code == 404
    assert httpx.get(before["url"]).status_code == 200  # a link from before: the secrets came back too
    assert alice.ended(alice.create())["status"] == "completed"
