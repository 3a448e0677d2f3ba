"""Compose and hadolint accept the files for containers, and the settings and commands in these files exist."""

import functools
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from jobs.secret_files import secret_fields
from jobs.settings import Settings
from jobs.webhooks.signature import check_secret
from service.settings import ServiceSettings
from worker.settings import KeeperSettings, WorkerSettings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE_PAGE = ROOT / "docs" / "operations" / "docker-compose.md"
PREFIX = "EASYANIMATE_"
EVERYTHING = "gpu,cpu,observability"
OBSERVERS = ("prometheus", "collector", "jaeger", "grafana")
CONTAINERS = ("redis", "storage", "api", "keeper", "worker", "worker-cpu", *OBSERVERS)
PROCESSES = {"api": ServiceSettings, "keeper": KeeperSettings, "worker": WorkerSettings, "worker-cpu": WorkerSettings}
# The processes that read a secret. All others must not get it.
READERS = {
    "API_KEYS": {"api"},
    "SIGNING_SECRET": {"api"},
    "WEBHOOK_SECRET": {"keeper"},
    "MODERATION_SECRET": {"api", "worker", "worker-cpu"},
    **{key: {"worker", "worker-cpu"} for key in ("C2PA_CERTIFICATE", "C2PA_PRIVATE_KEY")},
    "C2PA_TRUSTED_CERTIFICATES": {"api", "worker", "worker-cpu"},
    **{key: {*PROCESSES} for key in ("REDIS_URL", "S3__SECRET_ACCESS_KEY", "S3__SESSION_TOKEN")},
}
SECRETS = {f"{PREFIX}{name}": "a-secret" for name in ("API_KEYS", "S3__ACCESS_KEY_ID", "S3__SECRET_ACCESS_KEY")}
SECRETS[f"{PREFIX}WEBHOOK_SECRET"] = "whsec_c2VjcmV0"


def setting_names(kind: type[BaseModel], prefix: str = PREFIX) -> set[str]:
    """The environment variables that this class reads."""
    names: set[str] = set()
    for name, field in kind.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        if nested:
            assert isinstance(field.annotation, type)
            names |= setting_names(field.annotation, f"{prefix}{name.upper()}__")
        else:
            names.add(prefix + name.upper())
    return names


EXPECTED = set.union(*map(setting_names, (Settings, ServiceSettings, WorkerSettings, KeeperSettings)))


def compose(
    *arguments: str, env_file: Path = ROOT / ".env.example", **variables: str
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "COMPOSE"))}
    command = [BIN / "docker-compose", "--project-directory", ROOT, "--env-file", env_file, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=clean | variables, timeout=240)


@functools.cache
def composed(profile: str, *files: str) -> dict[str, Any]:
    """The configuration that Compose reads from these files, by default the main one, in this profile."""
    chosen = [word for file in files for word in ("--file", str(ROOT / file))]
    done = compose(*chosen, "config", "--format", "json", COMPOSE_PROFILES=profile, REDIS_PASSWORD="p-w", **SECRETS)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_compose_accepts_the_file_with_the_example_settings(profile: str) -> None:
    done = compose("config", "-q", COMPOSE_PROFILES=profile, **SECRETS)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("profile", "worker"), [("gpu", "worker"), ("cpu", "worker-cpu")])
def test_each_profile_has_one_kind_of_worker(profile: str, worker: str) -> None:
    assert composed(profile)["services"].keys() == {"redis", "storage", "api", "keeper", worker}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("is_in_the_file", [True, False], ids=["empty", "missing"])
def test_compose_refuses_to_start_without_a_secret(tmp_path: Path, secret: str, is_in_the_file: bool) -> None:
    lines = [line for line in EXAMPLE.splitlines() if is_in_the_file or not line.startswith(secret)]
    (tmp_path / "env").write_text("\n".join(lines))
    others = {name: value for name, value in SECRETS.items() if name != secret}
    done = compose("config", "-q", env_file=tmp_path / "env", **others)
    assert done.returncode != 0
    assert secret in done.stderr
    assert "set it in .env" in done.stderr


def test_the_example_has_no_secret() -> None:
    values = dict(re.findall(rf"^({PREFIX}\w+)=(.*)$", EXAMPLE, re.M))
    assert values == dict.fromkeys(SECRETS, "")


def test_the_lines_of_the_page_create_four_different_secrets(tmp_path: Path) -> None:
    (lines,) = re.findall(r"^```bash secrets\n(.*?)^```", COMPOSE_PAGE.read_text(), re.M | re.S)
    (tmp_path / ".env").write_text(EXAMPLE)
    shown = subprocess.run(["bash", "-euc", lines], capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    values = dict(re.findall(rf"^({PREFIX}\w+)=(.+)$", (tmp_path / ".env").read_text(), re.M))
    assert values.keys() == SECRETS.keys()
    assert len(set(values.values())) == len(SECRETS)
    assert min(map(len, values.values())) >= 48
    assert values[f"{PREFIX}API_KEYS"] in shown
    check_secret(values[f"{PREFIX}WEBHOOK_SECRET"])
    assert compose("config", "-q", env_file=tmp_path / ".env").returncode == 0


def published(profile: str) -> list[tuple[str, str]]:
    """The services with published ports, and the addresses of this host."""
    services = composed(profile)["services"]
    return [(name, port["host_ip"]) for name, service in services.items() for port in service.get("ports", [])]


def test_only_the_api_can_be_reached_and_only_from_this_host() -> None:
    assert published("gpu") == [("api", "127.0.0.1")]


def test_prometheus_and_grafana_can_be_reached_only_from_this_host() -> None:
    expected = {(name, "127.0.0.1") for name in ("api", "prometheus", "grafana")}
    assert set(published(EVERYTHING)) == expected


@pytest.mark.parametrize("service", [*PROCESSES, *OBSERVERS])
def test_containers_of_the_service_are_read_only_without_capabilities(service: str) -> None:
    result = composed(EVERYTHING)["services"][service]
    assert result["read_only"] is True
    assert result["cap_drop"] == ["ALL"]
    assert result["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", CONTAINERS)
def test_each_container_restarts_and_has_a_limit_of_memory_and_of_its_log(service: str) -> None:
    result = composed(EVERYTHING)["services"][service]
    assert result["restart"] == "unless-stopped"
    assert int(result["mem_limit"]) >= 512 << 20
    assert result["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


def test_the_list_of_containers_is_complete() -> None:
    assert composed(EVERYTHING)["services"].keys() == {*CONTAINERS}


@pytest.mark.parametrize("kind", [ServiceSettings, KeeperSettings, WorkerSettings])
def test_each_secret_has_a_list_of_readers(kind: type[Settings]) -> None:
    assert {"__".join(path).upper() for path in secret_fields(kind)} <= READERS.keys()


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_gets_no_secret_of_another_one(tmp_path: Path, process: str) -> None:
    environment = {name: "secret" for name in (f"{PREFIX}{secret}" for secret in READERS)} | SECRETS
    (tmp_path / "env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    text = (ROOT / "docker-compose.yml").read_text().replace("path: .env,", f"path: {tmp_path / 'env'},")
    (tmp_path / "compose.yml").write_text(text)
    arguments = ("--file", str(tmp_path / "compose.yml"), "--profile", "gpu", "--profile", "cpu", "config")
    done = compose(*arguments, "--format", "json", env_file=tmp_path / "env")
    result = json.loads(done.stdout)["services"][process]
    present = {name for name in READERS if result["environment"].get(PREFIX + name)}
    assert present == {name for name, readers in READERS.items() if process in readers}


@pytest.mark.parametrize(
    ("process", "port"),
    [("keeper", "KEEPER_METRICS_PORT"), ("worker", "WORKER_METRICS_PORT"), ("worker-cpu", "WORKER_METRICS_PORT")],
)
def test_the_health_of_a_process_without_an_api_is_that_of_its_threads(process: str, port: str) -> None:
    result = composed(EVERYTHING)["services"][process]
    assert result["environment"][PREFIX + port] == "9100"
    assert result["environment"][f"{PREFIX}METRICS_HOST"] == "0.0.0.0"
    program = result["healthcheck"]["test"][-1]
    assert ("9100" in program, "/livez" in program) == (True, True)
    compile(program, "healthcheck", "exec")


def test_prometheus_reads_the_processes_that_exist_and_grafana_its_dashboards() -> None:
    services = composed(EVERYTHING)["services"]
    mounts = {
        volume["target"]: Path(volume["source"])
        for name in ("prometheus", "grafana")
        for volume in services[name]["volumes"]
    }
    scrapes = yaml.safe_load((mounts["/etc/prometheus"] / "prometheus.yml").read_text())["scrape_configs"]
    names = {name for scrape in scrapes for source in scrape["dns_sd_configs"] for name in source["names"]}
    assert names == {*PROCESSES}
    assert list(mounts["/etc/grafana/dashboards"].glob("*.json"))
    assert list(mounts["/etc/grafana/provisioning"].glob("*/*.yml"))


def test_traces_pass_the_collector_to_the_storage_that_grafana_reads() -> None:
    services = composed(EVERYTHING)["services"]
    (volume,) = services["collector"]["volumes"]
    assert services["collector"]["command"] == [f"--config={volume['target']}/config.yml"]
    config = yaml.safe_load((Path(volume["source"]) / "config.yml").read_text())
    port = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    assert f"http://collector:{port}" in EXAMPLE
    assert config["exporters"]["otlp"]["endpoint"].partition(":")[0] in services
    for kind, names in config["service"]["pipelines"]["traces"].items():
        assert set(names) <= config[kind].keys()
    assert config["processors"]["memory_limiter"]["limit_mib"] << 20 < int(services["collector"]["mem_limit"])
    datasources = ROOT / "deploy" / "observability" / "grafana" / "provisioning" / "datasources"
    (source,) = yaml.safe_load((datasources / "jaeger.yml").read_text())["datasources"]
    assert source["url"].removeprefix("http://").partition(":")[0] in services


# ---- Redis with a password and TLS

TLS_FILES = ("docker-compose.yml", "deploy/compose.redis-tls.yml")


def test_with_tls_redis_has_no_plain_port_and_needs_the_password() -> None:
    command = composed(EVERYTHING, *TLS_FILES)["services"]["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--port"], options["--tls-port"], options["--requirepass"]) == ("0", "6379", "p-w")
    plain = composed(EVERYTHING)["services"]["redis"]["command"]
    assert dict(zip(plain[1::2], plain[2::2], strict=True)).items() <= options.items()


@pytest.mark.parametrize("process", PROCESSES)
def test_with_tls_a_process_checks_the_certificate_of_redis(process: str) -> None:
    result = composed(EVERYTHING, *TLS_FILES)["services"][process]
    assert result["environment"][f"{PREFIX}REDIS_URL"] == "rediss://default:p-w@redis:6379/0?ssl_ca_certs=/tls/ca.crt"
    assert "/tls/ca.crt" in {volume["target"] for volume in result["volumes"]}


def test_the_lines_of_the_page_create_a_certificate_that_clients_accept(tmp_path: Path) -> None:
    (lines,) = re.findall(r"^```bash tls\n(.*?)^```", COMPOSE_PAGE.read_text(), re.M | re.S)
    (tmp_path / ".env").touch()
    subprocess.run(["bash", "-euc", lines], capture_output=True, text=True, cwd=tmp_path, check=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls" / "redis.crt", tmp_path / "tls" / "redis.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.crt"))
    near, far = socket.socketpair()
    with ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(server.wrap_socket, far, server_side=True)
        with client.wrap_socket(near, server_hostname="redis") as secured, accepted.result():
            assert secured.getpeercert()
    assert re.fullmatch(r"REDIS_PASSWORD=\w{48}\n", (tmp_path / ".env").read_text())


@pytest.mark.parametrize(
    ("service", "grace_s"),
    [
        ("worker", WorkerSettings.model_fields["drain_grace_s"].default),
        ("worker-cpu", WorkerSettings.model_fields["drain_grace_s"].default),
        ("api", sum(ServiceSettings.model_fields[f"shutdown_{name}_s"].default for name in ("delay", "grace"))),
        ("keeper", KeeperSettings.model_fields["webhook_timeout_s"].default),
    ],
)
def test_the_stop_period_of_a_container_is_longer_than_the_grace_of_its_process(service: str, grace_s: float) -> None:
    (text,) = re.findall(r"(?:(\d+)m)?(\d+)s", composed("gpu,cpu")["services"][service]["stop_grace_period"])
    assert 60 * int(text[0] or 0) + int(text[1]) > grace_s


def test_redis_is_durable_and_evicts_nothing() -> None:
    words = " ".join(composed("gpu")["services"]["redis"]["command"])
    assert "--appendonly yes" in words
    assert "--maxmemory-policy noeviction" in words


@pytest.mark.parametrize("service", ["redis", "storage"])
def test_redis_and_storage_keep_their_data_in_a_volume(service: str) -> None:
    (volume,) = composed("gpu")["services"][service]["volumes"]
    assert (volume["type"], volume["target"]) == ("volume", "/data")


def test_images_are_pinned_by_tag() -> None:
    images = [service["image"] for service in composed(EVERYTHING)["services"].values()]
    assert all(re.search(r":v?\d+\.\d+\.\d+$|:\d+\.\d+$", image) for image in images), images


def test_the_storage_server_accepts_each_option() -> None:
    options = [word for word in composed("gpu")["services"]["storage"]["command"] if word.startswith("-")]
    help_text = subprocess.run([BIN / "weed", "help", "mini"], capture_output=True, text=True).stderr
    supported = set(re.findall(r"^\s+-([\w.]+)", help_text, re.M))
    assert {option[1:].split("=")[0] for option in options} <= supported


def test_compose_names_only_settings_that_exist() -> None:
    named = {name for service in composed("gpu,cpu")["services"].values() for name in service.get("environment", {})}
    assert {name for name in named if name.startswith(PREFIX)} <= EXPECTED


def test_the_example_documents_exactly_the_settings() -> None:
    documented = set(re.findall(rf"^#?({PREFIX}\w+)=", EXAMPLE, re.M))
    assert documented == EXPECTED


def defaults(kind: type[BaseModel], prefix: str = PREFIX) -> dict[str, str]:
    """The default of each environment variable that this class reads, as it is written in the environment."""
    result: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            result |= defaults(field.annotation, f"{prefix}{name.upper()}__")
        else:
            value = field.get_default(call_default_factory=True)
            value = value.get_secret_value() if isinstance(value, SecretStr) else value
            text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
            text = ",".join(map(str, value)) if isinstance(value, tuple) else text
            result[prefix + name.upper()] = text.removesuffix(".0")
    return result


def test_the_example_has_the_defaults_of_the_code() -> None:
    expected: dict[str, str] = {}
    for kind in (Settings, ServiceSettings, WorkerSettings, KeeperSettings):
        expected |= defaults(kind)
    shown = dict(re.findall(rf"^#({PREFIX}\w+)=(.*)$", EXAMPLE, re.M))
    assert shown == {name: expected[name] for name in expected.keys() - SECRETS.keys()}


def test_defaults_of_nested_settings_are_compared() -> None:
    nested = defaults(ServiceSettings)
    assert nested[f"{PREFIX}S3__REGION"] == "us-east-1"
    assert nested[f"{PREFIX}LIMITS__RUNNING_JOBS"] == ""


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_reports_nothing(dockerfile: Path) -> None:
    done = subprocess.run([BIN / "hadolint", "--no-color", dockerfile], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_copied_paths_exist_and_are_in_the_build_context(dockerfile: Path) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    context = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", dockerfile.read_text(), re.M)
    for source in " ".join(copies).split():
        assert (ROOT / source).exists()
        assert {source, source.split("/")[0]} & context


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_a_container_runs_as_an_unprivileged_user(dockerfile: Path) -> None:
    assert re.findall(r"^USER (\S+)", dockerfile.read_text(), re.M) == ["10001:0"]


def commands() -> list[list[str]]:
    """The Python commands of the images, of their builds and of the compose file."""
    result = [json.loads(line) for path in DOCKERFILES for line in re.findall(r"^CMD (\[.*\])", path.read_text(), re.M)]
    built = r"(python -m easyanimate\S* \S+)"
    result += [line.split() for path in DOCKERFILES for line in re.findall(built, path.read_text())]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return result + [service["command"] for service in services.values() if "python" in service.get("command", [])]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_the_module_of_each_command_exists(command: list[str]) -> None:
    assert command[:2] == ["python", "-m"]
    module = ROOT.joinpath(*command[2].split("."))
    assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()


MISSING_MODULES = ("torch", "diffusers", "transformers", "av", "numpy", "einops", "safetensors", "sentencepiece")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["service.__main__", "worker.keeper.__main__"])
def test_the_commands_of_the_image_without_torch_need_no_missing_module(module: str) -> None:
    program = f"import sys; sys.modules.update(dict.fromkeys({MISSING_MODULES!r})); import {module}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_worker_image_pins_the_torch_version_of_the_setup() -> None:
    (pinned,) = re.findall(r"torch==([\d.]+)", (ROOT / "deploy" / "worker.Dockerfile").read_text())
    (installed,) = re.findall(r"^torch=([\d.]+)$", (ROOT / "deploy" / "setup.sh").read_text(), re.M)
    assert pinned == installed
