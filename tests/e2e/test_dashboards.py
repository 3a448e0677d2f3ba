"""The dashboards and rules of `deploy/observability` with a real Prometheus that scrapes the service at work."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.stack.ports import free_port
from cli.stack.stack import LocalStack
from deploy.observability.dashboards.__main__ import BOARDS
from tests.clients.receiver import Receiver
from tests.deploy.programs import program

pytestmark = pytest.mark.slow

FILES = Path(__file__).parents[2] / "deploy" / "observability" / "prometheus"
PORTS = {
    "easyanimate-api": None,
    "easyanimate-keeper": "EASYANIMATE_KEEPER_METRICS_PORT",
    "easyanimate-worker": "EASYANIMATE_WORKER_METRICS_PORT",
}
TIMEOUT_S = 200.0
RANGE_S = 180


def configuration(stack: LocalStack) -> dict[str, Any]:
    """The configuration of the repository with the addresses of this service and short intervals."""
    config: dict[str, Any] = yaml.safe_load((FILES / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FILES / name) for name in config["rule_files"]]
    for scrape in config["scrape_configs"]:
        setting = PORTS[scrape["job_name"]]
        port = stack.plan.port if setting is None else stack.plan.environment[setting]
        del scrape["dns_sd_configs"]
        scrape["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    return config


class PrometheusServer:
    """The HTTP API of a running Prometheus."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def get(self, path: str, **parameters: Any) -> Any:
        response = self.http.get(f"/api/v1/{path}", params=parameters)
        assert response.status_code == 200, (parameters, response.text)
        return response.json()["data"]

    def values(self, expression: str) -> list[float]:
        """All values of an expression in the last minutes that are numbers."""
        now = time.time()
        data = self.get("query_range", query=expression, start=now - RANGE_S, end=now, step=1)
        numbers = [float(value) for series in data["result"] for _, value in series["values"]]
        return [number for number in numbers if number == number]

    def wait_for(self, expression: str) -> None:
        """Waits until an expression has a result."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.get("query", query=expression)["result"]:
            assert time.monotonic() < deadline, expression
            time.sleep(0.2)


@pytest.fixture(scope="module")
def prometheus(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus with the rules of the repository, which has scraped each process once."""
    folder, address = tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{free_port()}"
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(stack)))
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
    command = [program("prometheus"), *options, f"--web.listen-address={address}"]
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | {"GOMAXPROCS": "1"})
    server = PrometheusServer(f"http://{address}")
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not _is_ready(server):
            assert process.poll() is None, (folder / "output.log").read_text()
            assert time.monotonic() < deadline, (folder / "output.log").read_text()
            time.sleep(0.05)
        for job in PORTS:
            server.wait_for(f'up{{job="{job}"}} == 1')
        yield server
    finally:
        process.terminate()
        process.wait(timeout=120)
        server.http.close()


def _is_ready(server: PrometheusServer) -> bool:
    try:
        return server.http.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def video_id(stack: LocalStack, prometheus: PrometheusServer) -> str:
    """A completed video with webhooks, after another one: the rise of a counter needs a value before it."""
    hook = {"url": Receiver().url, "events": ["video.started", "video.completed"]}
    body = {"prompt": "a red ball rolls", "size": "64x64", "num_frames": 16, "seed": 1, "webhook": hook}
    with httpx.Client(base_url=stack.url, timeout=60) as http:
        for steps in (3, 60):
            video = http.post("/v1/videos", json=body | {"num_inference_steps": steps}).raise_for_status().json()
            before = prometheus.get("query", query="max(easyanimate_webhook_delay_seconds_count)")["result"]
            delivered = float(before[0]["value"][1]) if before else 0.0
            while http.get(f"/v1/videos/{video['id']}", headers={"Prefer": "wait=50"}).json()["status"] != "completed":
                continue
            prometheus.wait_for(f"max(easyanimate_webhook_delay_seconds_count) > {delivered}")
    return str(video["id"])


def test_each_query_of_a_dashboard_has_a_result_in_a_real_prometheus(
    prometheus: PrometheusServer, video_id: str
) -> None:
    variables = {"$model": ".*", "$instance": ".*", "$job_id": video_id, "$__rate_interval": "15s", "$__range": "3m"}
    empty = {}
    for name, board in BOARDS.items():
        for panel in board.panels:
            for expression, _ in panel.queries:
                query = expression
                for variable, value in variables.items():
                    query = query.replace(variable, value)
                empty[name, panel.title, query] = panel.may_be_empty
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        empty = {place: may_be for place, may_be in empty.items() if not prometheus.values(place[2])}
        missing = [place for place, may_be in empty.items() if not may_be]
        if not missing:
            return
        assert time.monotonic() < deadline, missing
        time.sleep(1)


def test_each_rule_is_evaluated_and_a_service_at_work_fires_no_alert(
    prometheus: PrometheusServer, video_id: str
) -> None:
    groups = prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    files = [path.read_text() for path in (FILES / "rules").glob("*.yml")]
    assert len(rules) == sum(len(group["rules"]) for text in files for group in yaml.safe_load(text)["groups"])
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    alerts = {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"]}
    assert alerts <= {"EasyAnimateSpoolAlmostFull"}  # the disk of this machine


def test_the_series_of_a_job_ends_with_it(prometheus: PrometheusServer, video_id: str) -> None:
    assert prometheus.values(f'easyanimate_worker_job_info{{job_id="{video_id}"}}')
    prometheus.wait_for("easyanimate_worker_busy == 0")
    deadline = time.monotonic() + TIMEOUT_S
    while prometheus.get("query", query=f'easyanimate_worker_job_info{{job_id="{video_id}"}}')["result"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
