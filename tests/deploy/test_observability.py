"""Dashboards, recording rules, alerts and the configuration of Prometheus name what exists and do what they say."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.dashboards.__main__ import BOARDS, FOLDER
from deploy.observability.dashboards.boards import GRID, Board, places, to_json
from jobs.model.failure import CODES, Blame, failure
from jobs.model.states import State
from jobs.store.counters import BOUNDS, QUEUE_WAIT, bound_name
from service.settings import ServiceSettings
from tests.contracts.test_docs import anchors
from tests.deploy.programs import program

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "observability" / "prometheus"
REFERENCE = ROOT / "docs" / "reference" / "metrics.md"
NAME = re.compile(r"\beasyanimate_\w+")
PARTS = ("_bucket", "_sum", "_count")
# Labels of a target, of alerts, and of the recording rules; all others must be those of the metric.
TARGET_LABELS = {"instance", "job"}
BY_STATE = {State.CANCELLED: "cancelled", State.EXPIRED: "deadline_exceeded"}  # codes of jobs that are not `failed`


@cache
def metrics() -> dict[str, set[str]]:
    """The labels of each metric of the product; a histogram by the names of its series."""
    labels_of: dict[str, set[str]] = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*) \|", REFERENCE.read_text(), re.M):
        names = {label for label in labels.split(", ") if label}
        labels_of[name] = labels_of.get(name, set()) | names
        if kind == "histogram":
            labels_of |= dict.fromkeys((f"{name}{part}" for part in PARTS), names | {"le"})
    return labels_of


def rule_files() -> list[Path]:
    return sorted((PROMETHEUS / "rules").glob("*.yml"))


@cache
def rules() -> list[dict[str, Any]]:
    """The rules of all files."""
    groups = [group for path in rule_files() for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression of rules and dashboards, with its place."""
    for rule in rules():
        yield rule.get("alert") or f"{rule['record']} {rule['labels']['slo']}", rule["expr"]
    for name, board in BOARDS.items():
        for panel in board.panels:
            yield from ((f"{name} {panel.title}", expression) for expression, _ in panel.queries)


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric of an expression, with the labels of its matchers."""
    for match in re.finditer(r"\b(easyanimate_\w+)(?:\{([^}]*)\})?", expression):
        yield match[1], set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", match[2] or ""))


@pytest.mark.parametrize(("place", "expression"), list(expressions()), ids=lambda text: text.split("\n")[0][:60])
def test_each_metric_and_label_of_a_query_exists(place: str, expression: str) -> None:
    used = list(selectors(expression))
    labels_of = metrics()
    for name, labels in used:
        assert name in labels_of, (place, name)
        assert labels <= labels_of[name] | TARGET_LABELS, (place, name, labels)
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ") if label}
    if used:
        assert grouped <= set.union(*(labels_of[name] for name, _ in used)) | TARGET_LABELS, (place, grouped)
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set(re.findall(r"easyanimate:\w+:\w+", expression)) <= recorded


def test_each_metric_of_the_product_is_on_a_dashboard_or_in_an_alert() -> None:
    shown = set(NAME.findall("\n".join(expression for _, expression in expressions())))
    names = {re.sub(rf"({'|'.join(PARTS)})$", "", name) for name in metrics()}
    missing = {name for name in names if not any(name == one or one.startswith(f"{name}_") for one in shown)}
    assert missing <= NOT_SHOWN, sorted(missing - NOT_SHOWN)


NOT_SHOWN = {
    "easyanimate_workers_loaded",  # beside the loads and evictions of models
    "easyanimate_result_bytes_total",  # for the cost of storage, not for operation
    "easyanimate_moderations_total",
}


@pytest.mark.parametrize("alert", alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_has_a_severity_a_summary_and_an_entry_of_the_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"].endswith(".")
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor in anchors(ROOT / page)
    assert f"`{alert['alert']}`" in (ROOT / page).read_text()


def test_each_alert_fires_in_a_unit_test_and_none_in_a_healthy_service() -> None:
    cases = [
        case for path in (PROMETHEUS / "tests").glob("*.yml") for case in yaml.safe_load(path.read_text())["tests"]
    ]
    tests = [test for case in cases for test in case["alert_rule_test"]]
    names = {alert["alert"] for alert in alerts()}
    assert {test["alertname"] for test in tests if test["exp_alerts"]} == names
    healthy = next(case for case in cases if case["name"] == "a healthy service")
    assert {test["alertname"] for test in healthy["alert_rule_test"] if not test["exp_alerts"]} == names


def promtool(*arguments: str | Path) -> str:
    """What promtool prints, with the cheapest garbage collection. Fails if it finds a fault."""
    environment = os.environ | {"GOMAXPROCS": "1", "GOGC": "400"}
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_configuration_and_the_unit_tests_of_the_alerts_pass() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert promtool("test", "rules", *sorted((PROMETHEUS / "tests").glob("*.yml"))).count("SUCCESS") == 2


def test_the_objective_of_videos_leaves_out_what_callers_resolve() -> None:
    expected = {code for code in CODES if failure(code).blame is Blame.CALLER} - set(BY_STATE.values())
    texts = [
        rule["expr"] for rule in rules() if rule.get("labels", {}).get("slo") == "videos" and "code!~" in rule["expr"]
    ]
    assert len(texts) == 5
    for text in texts:
        assert [set(codes.split("|")) for codes in re.findall(r'code!~"([^"]*)"', text)] == [expected] * 2


def test_the_objective_of_waiting_is_a_bound_of_the_histogram() -> None:
    bounds = {bound_name(bound) for bound in BOUNDS[QUEUE_WAIT]}
    named = {bound for rule in rules() for bound in re.findall(r'le="([^"]*)"', rule["expr"])}
    assert named == {"300.0"}
    assert named <= bounds


@pytest.mark.parametrize("name", BOARDS)
def test_the_file_of_a_dashboard_is_that_of_its_table(name: str) -> None:
    assert (FOLDER / name).read_text() == to_json(BOARDS[name]), "run `make dashboards`"


def test_there_are_no_other_files_of_dashboards_and_their_ids_differ() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(BOARDS)
    assert len({board.uid for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_lie_in_the_grid_and_do_not_overlap(board: Board) -> None:
    cells: set[tuple[int, int]] = set()
    for place, _ in places(board):
        own = {(x, y) for x in range(place.x, place.x + place.w) for y in range(place.y, place.y + place.h)}
        assert max(x for x, _ in own) < GRID
        assert not own & cells
        cells |= own
    panels = json.loads(to_json(board))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_each_variable_of_a_query_is_one_of_the_dashboard_or_of_grafana(board: Board) -> None:
    named = {variable.name for variable in board.variables}
    for panel in board.panels:
        used = {name for expression, _ in panel.queries for name in re.findall(r"\$(\w+)", expression)}
        assert used <= named | {"__rate_interval", "__range"}, panel.title
    assert all(variable.label in metrics()[variable.metric] | TARGET_LABELS for variable in board.variables)


def test_grafana_loads_the_dashboards_and_the_data_source_from_their_files() -> None:
    provisioning = ROOT / "deploy" / "observability" / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    provider = yaml.safe_load((provisioning / "dashboards" / "easyanimate.yml").read_text())["providers"][0]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/etc/grafana/dashboards")
    interval = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval


def test_the_runbook_names_log_events_and_panels_that_exist() -> None:
    text = (ROOT / "docs" / "operations" / "alerts.md").read_text()
    sources = "\n".join(
        path.read_text() for name in ("jobs", "service", "worker") for path in (ROOT / name).rglob("*.py")
    )
    events = set(re.findall(r"`([a-z]+\.[a-z_]+)`", text))
    assert len(events) > 10
    assert {event for event in events if f'"{event}"' not in sources} == set()
    titles = {panel.title for board in BOARDS.values() for panel in board.panels}
    panels = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text)) - {"Status → Targets"}
    assert len(panels) > 4
    assert panels <= titles


def test_prometheus_scrapes_the_processes_of_compose_at_their_ports() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ports = {"api": str(ServiceSettings.model_fields["port"].default)}
    for name, variable in (("keeper", "KEEPER"), ("worker", "WORKER"), ("worker-cpu", "WORKER")):
        environment = services[name]["environment"]
        assert environment["EASYANIMATE_METRICS_HOST"] == "0.0.0.0"
        ports[name] = environment[f"EASYANIMATE_{variable}_METRICS_PORT"]
    scrapes = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    targets = {
        name: str(entry["port"]) for scrape in scrapes for entry in scrape["dns_sd_configs"] for name in entry["names"]
    }
    assert targets == ports
