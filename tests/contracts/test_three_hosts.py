"""The files for three GPU hosts: Compose accepts them, their settings and modules exist, and nothing is public."""

import configparser
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.test_deploy import EXPECTED, SECRETS, compose

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "three-hosts"
UNITS = sorted(FOLDER.glob("*.service"))
ENVIRONMENTS = sorted(FOLDER.glob("*.env.example"))
HOSTS = {"PRIVATE_ADDRESS": "10.0.0.1", "CONTROL_ADDRESS": "10.0.0.1", "REDIS_PASSWORD": "a-password"}
PAGE = (ROOT / "docs" / "operations" / "three-hosts.md").read_text()


@cache
def control() -> dict[str, Any]:
    """The services of the control host, as Compose reads both files."""
    files = ("-f", ROOT / "docker-compose.yml", "-f", FOLDER / "compose.yml")
    return services(*files, **{**SECRETS, **HOSTS, "COMPOSE_PROFILES": ""})


@cache
def workers() -> dict[str, Any]:
    """The services of a GPU host with two GPUs."""
    return services("-f", FOLDER / "compose.worker.yml", "--profile", "second-gpu", **{**SECRETS, **HOSTS})


def services(*arguments: Any, **variables: str) -> dict[str, Any]:
    done = compose(*map(str, arguments), "config", "--format", "json", **variables)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)["services"]
    return result


def test_redis_and_storage_are_published_on_the_private_address_only() -> None:
    ports = {name: {port["host_ip"] for port in service.get("ports", [])} for name, service in control().items()}
    assert ports == {"redis": {"10.0.0.1"}, "storage": {"10.0.0.1"}, "api": {"127.0.0.1"}, "keeper": set()}


def test_redis_needs_the_password_that_all_processes_use() -> None:
    command = control()["redis"]["command"]
    assert command[command.index("--requirepass") + 1] == "a-password"
    assert {"appendonly", "noeviction"} <= {word.removeprefix("--") for word in command}
    for name, host in (("api", "redis"), ("keeper", "redis")):
        url = control()[name]["environment"]["EASYANIMATE_REDIS_URL"]
        assert url == f"redis://default:a-password@{host}:6379/0"
    for worker in workers().values():
        assert worker["environment"]["EASYANIMATE_REDIS_URL"] == "redis://default:a-password@10.0.0.1:6379/0"


def test_each_worker_has_a_gpu_and_a_spool_of_its_own() -> None:
    def device(service: dict[str, Any]) -> str:
        (reservation,) = service["deploy"]["resources"]["reservations"]["devices"]
        return str(reservation["device_ids"])

    def spool(service: dict[str, Any]) -> str:
        return next(volume["source"] for volume in service["volumes"] if volume["target"] == "/data")

    assert len({device(service) for service in workers().values()}) == 2
    assert len({spool(service) for service in workers().values()}) == 2


@pytest.mark.parametrize("variable", [*HOSTS, "EASYANIMATE_S3__SECRET_ACCESS_KEY"])
def test_a_missing_value_is_named(variable: str) -> None:
    values = {**SECRETS, **HOSTS, variable: ""}
    name = "compose.yml" if variable == "PRIVATE_ADDRESS" else "compose.worker.yml"
    files = (
        ["-f", str(FOLDER / name)]
        if name != "compose.yml"
        else ["-f", str(ROOT / "docker-compose.yml"), "-f", str(FOLDER / name)]
    )
    done = compose(*files, "config", "-q", **values)
    assert (done.returncode != 0, variable in done.stderr) == (True, True)


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_the_settings_of_an_example_exist_and_have_no_secret(path: Path) -> None:
    values = dict(re.findall(r"^(EASYANIMATE_\w+)=(.*)$", path.read_text(), re.M))
    assert values.keys() <= EXPECTED
    assert {value for name, value in values.items() if name.endswith(("_KEY", "_ID", "_SECRET"))} == {"REPLACE-ME"}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_module_of_this_project_without_privileges(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    service = unit["Service"]
    module = service["ExecStart"].split(" -m ")[1].replace(".", "/")
    assert (ROOT / module / "__main__.py").is_file()
    assert (service["User"], service["NoNewPrivileges"], service["Restart"]) == ("easyanimate", "true", "always")
    example = {"service.env": "control.env.example", "worker.env": "worker.env.example"}
    assert (FOLDER / example[Path(service["EnvironmentFile"]).name]).is_file()


def test_the_lines_of_the_page_complete_the_settings(tmp_path: Path) -> None:
    (lines,) = re.findall(r"^```bash hosts\n(.*?)^```", PAGE, re.M | re.S)
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    subprocess.run(["bash", "-euc", lines], cwd=tmp_path, check=True, env={**os.environ, "PYTHON": sys.executable})
    values = dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / ".env").read_text(), re.M))
    assert (values["COMPOSE_PROFILES"], values["PRIVATE_ADDRESS"]) == ("", "10.0.0.1")
    assert len(values["REDIS_PASSWORD"]) == 48


def test_each_file_of_the_folder_is_on_the_page() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert {name for name in names if name not in PAGE} == set()
