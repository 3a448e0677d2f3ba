"""The chart as helm renders it: valid for two versions of Kubernetes, connected, and as restricted as its page says."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from jobs.version import VERSION
from service.metrics import QUEUE_GAUGES
from tests.clients.environments import resource_schemas
from tests.deploy.chart import (
    CHART,
    EXAMPLES,
    PODS,
    RENDERS,
    SMALLEST,
    Resource,
    container_of,
    environment_of,
    helm_template,
    pod_of,
    rendered,
    resources_of,
    text_of,
    workloads,
)
from tests.deploy.programs import program
from worker.supervisor.deletion_cost import ANNOTATION

VERSIONS = ("1.30", "1.37")
DASHBOARDS = CHART.parents[1] / "observability" / "grafana" / "dashboards"
WORKLOADS = [(example, name) for example, names in PODS.items() for name in names]


def workload(example: str, name: str) -> Resource:
    return workloads(resources_of(example))[name]


@cache
def validator(version: str, kind: str) -> Any:
    return jsonschema_rs.validator_for(json.loads((resource_schemas() / version / f"{kind.lower()}.json").read_text()))


def faults(resource: Resource, version: str) -> list[str]:
    return [error.message for error in validator(version, resource["kind"]).iter_errors(resource)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_render_of_an_example_is_the_expected_one(example: str) -> None:
    assert text_of(example) == (RENDERS / f"{example}.yaml").read_text(), "python -m tests.deploy.chart writes it anew"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("example", EXAMPLES)
def test_each_resource_satisfies_its_schema(example: str, version: str) -> None:
    results = {resource["metadata"]["name"]: faults(resource, version) for resource in resources_of(example)}
    assert {name: messages for name, messages in results.items() if messages} == {}


@pytest.mark.parametrize("kind", ["Deployment", "ScaledObject", "ServiceMonitor", "NetworkPolicy"])
def test_a_schema_refuses_an_unknown_field(kind: str) -> None:
    resource = next(part for part in resources_of("scale-to-zero") if part["kind"] == kind)
    assert faults({**resource, "spec": {**resource["spec"], "podSelectors": 1}}, VERSIONS[-1])


def test_the_examples_render_each_template() -> None:
    templates = {path.name for path in (CHART / "templates").glob("*.yaml")}
    assert {
        name for example in EXAMPLES for name in re.findall(r"templates/(\S+)$", text_of(example), re.M)
    } == templates


def test_the_chart_has_the_version_of_the_release() -> None:
    versions = re.findall(r'^(?:version|appVersion): "?([\d.]+)', (CHART / "Chart.yaml").read_text(), re.M)
    assert versions == [VERSION, VERSION]


# ---- policies


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_a_pod_is_as_restricted_as_the_standard_of_kubernetes_demands(example: str, name: str) -> None:
    pod = pod_of(workload(example, name))
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert context["runAsUser"] > 0
    assert container_of(workload(example, name))["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"hostNetwork", "hostPID", "hostIPC"} & pod.keys() == set()
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_a_container_has_requests_and_a_limit_of_memory(example: str, name: str) -> None:
    resources = container_of(workload(example, name))["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]
    assert resources["limits"].get("nvidia.com/gpu", 0) == (1 if name.startswith("worker-") else 0)


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_an_image_has_the_tag_of_a_version(example: str, name: str) -> None:
    assert re.search(r":\d+\.\d+\.\d+$", container_of(workload(example, name))["image"])


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_only_limited_volumes_can_be_written_to(example: str, name: str) -> None:
    described = workload(example, name)
    volumes = {volume["name"]: volume for volume in pod_of(described)["volumes"]}
    claims = {claim["metadata"]["name"] for claim in described["spec"].get("volumeClaimTemplates", ())}
    writable = [m["name"] for m in container_of(described)["volumeMounts"] if not m.get("readOnly")]
    assert {"data", "tmp"} <= set(writable)
    assert all(name in claims or "sizeLimit" in volumes[name]["emptyDir"] for name in writable)


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_the_names_of_services_do_not_become_settings(example: str, name: str) -> None:
    assert pod_of(workload(example, name))["enableServiceLinks"] is False


def test_an_image_may_be_pinned_by_digest() -> None:
    digest = "sha256:" + 64 * "0"
    resources = rendered(*SMALLEST, "--set", f"image.service.digest={digest}")
    assert container_of(workloads(resources)["api"])["image"] == f"easyanimate-service@{digest}"


def test_a_platform_may_choose_the_user() -> None:
    unset = ("podSecurityContext.runAsUser=null", "podSecurityContext.fsGroup=null")
    resources = rendered(*SMALLEST, *(word for value in unset for word in ("--set", value)))
    context = pod_of(workloads(resources)["keeper"])["securityContext"]
    assert {"runAsUser", "fsGroup"} & context.keys() == set()
    assert context["runAsNonRoot"] is True


# ---- connections


def pod_labels(example: str) -> list[dict[str, str]]:
    return [part["spec"]["template"]["metadata"]["labels"] for part in workloads(resources_of(example)).values()]


def selectors(resource: Resource) -> Iterator[dict[str, str]]:
    spec = resource["spec"]
    if resource["kind"] == "Service":
        yield spec["selector"]
    elif resource["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        yield spec["selector"]["matchLabels"]
    elif resource["kind"] == "NetworkPolicy":
        yield spec["podSelector"]["matchLabels"]
        rules = [*spec["ingress"], *spec["egress"]]
        peers = [peer for rule in rules for key in ("from", "to") for peer in rule.get(key, ())]
        yield from (peer["podSelector"]["matchLabels"] for peer in peers if "podSelector" in peer)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_selector_matches_pods_of_the_release(example: str) -> None:
    labels = pod_labels(example)
    for resource in resources_of(example):
        for selector in selectors(resource) if "spec" in resource else ():
            assert any(selector.items() <= pod.items() for pod in labels), (resource["metadata"]["name"], selector)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_pod_has_a_budget_of_disruptions_and_a_network_policy(example: str) -> None:
    for kind, without in (("PodDisruptionBudget", {"valkey"}), ("NetworkPolicy", set())):
        chosen = [next(selectors(part)) for part in resources_of(example) if part["kind"] == kind]
        for name, part in workloads(resources_of(example)).items():
            labels = part["spec"]["template"]["metadata"]["labels"]
            assert name in without or any(selector.items() <= labels.items() for selector in chosen), (kind, name)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_autoscaler_has_a_target_and_owns_its_replicas(example: str) -> None:
    by_name = {part["metadata"]["name"]: part for part in resources_of(example) if part["kind"] == "Deployment"}
    scalers = [part for part in resources_of(example) if part["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")]
    scaled = {part["spec"]["scaleTargetRef"]["name"] for part in scalers}
    assert {name for name, part in by_name.items() if "replicas" not in part["spec"]} == scaled


@pytest.mark.parametrize("example", ["cloud", "scale-to-zero"])
def test_a_service_monitor_finds_a_port_of_its_service(example: str) -> None:
    services = [part for part in resources_of(example) if part["kind"] == "Service"]
    monitors = [part for part in resources_of(example) if part["kind"] == "ServiceMonitor"]
    assert len(monitors) == 2
    for monitor in monitors:
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (service,) = [part for part in services if wanted.items() <= part["metadata"]["labels"].items()]
        assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize("example", EXAMPLES)
def test_workers_reach_no_address_of_the_internet(example: str) -> None:
    policies = {p["metadata"]["name"]: p for p in resources_of(example) if p["kind"] == "NetworkPolicy"}
    peers = {
        name: [peer for rule in policies[f"video-easyanimate-{name}"]["spec"]["egress"] for peer in rule.get("to", ())]
        for name in ("api", "worker")
    }
    internet = {"cidr": "0.0.0.0/0"}.items()
    assert [peer for peer in peers["worker"] if internet <= peer.get("ipBlock", {}).items()] == []
    (public,) = [peer["ipBlock"] for peer in peers["api"] if internet <= peer.get("ipBlock", {}).items()]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(public["except"])


def test_the_dashboards_are_those_of_the_repository_in_one_config_map() -> None:
    results = rendered(*SMALLEST, "--set", "monitoring.dashboards.enabled=true")
    (config,) = [part for part in results if part["kind"] == "ConfigMap"]
    files = {f"easyanimate-{path.name}": path.read_text() for path in DASHBOARDS.glob("*.json")}
    assert config["data"] == files
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert len(json.dumps(config)) < 1 << 20  # the limit of Kubernetes
    assert [faults(config, version) for version in VERSIONS] == [[], []]
    assert len(files) > 4


# ---- autoscaling by the queue


def scaled_object(name: str) -> Resource:
    results = [part for part in resources_of("scale-to-zero") if part["kind"] == "ScaledObject"]
    return next(part["spec"] for part in results if part["metadata"]["name"].endswith(name))


SERIES = 'namespace="studio",service="video-easyanimate-api",model="EasyAnimateV3-XL-2-InP-512x512"'


def test_the_metrics_of_the_query_exist() -> None:
    (trigger,) = scaled_object("xl-512")["triggers"]
    metrics = re.findall(r"\((easyanimate_\w+)\{", trigger["metadata"]["query"])
    labels = {name: names for name, _, names in QUEUE_GAUGES}
    assert ["model" in labels[name] for name in metrics] == [True, True, True]
    assert trigger["metadata"]["threshold"] == "1"


@pytest.mark.parametrize(
    ("waiting", "running", "paused", "expected"),
    [(3, 2, 0, 5), (0, 0, 0, 0), (3, 2, 1, 2), (None, None, None, None)],
    ids=["waiting and running", "nothing", "paused", "no metrics"],
)
def test_a_worker_is_scaled_on_the_waiting_and_running_jobs_of_its_model(
    tmp_path: Path, waiting: int | None, running: int | None, paused: int | None, expected: int | None
) -> None:
    """Prometheus itself evaluates the query, on the metrics of two front ends and of another installation."""
    (trigger,) = scaled_object("xl-512")["triggers"]
    values = {"queue_depth": waiting, "jobs_running": running, "queue_paused": paused}
    series = [
        {"series": f'easyanimate_{name}{{{labels},pod="{pod}"}}', "values": f"{value}"}
        for name, value in values.items()
        for pod in ("one", "two")
        for labels in (SERIES, SERIES.replace("studio", "other").replace("video-", "film-"))
        if value is not None or "other" in labels
    ]
    samples = [] if expected is None else [{"labels": "{}", "value": expected}]
    query = {"expr": trigger["metadata"]["query"], "eval_time": "0s", "exp_samples": samples}
    test = {"interval": "1s", "input_series": [{**s, "values": s["values"].replace("None", "9")} for s in series]}
    (tmp_path / "test.yml").write_text(json.dumps({"tests": [{**test, "promql_expr_test": [query]}]}))
    done = subprocess.run([program("promtool"), "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_query_without_a_result_does_not_scale_to_zero() -> None:
    (trigger,) = scaled_object("xl-512")["triggers"]
    assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_a_dot_in_the_name_of_a_model_is_no_pattern() -> None:
    arguments = ("--set", "workers.a.model=easyanimate-v3-tiny,workers.a.models={one.5}", *SMALLEST)
    scaled = ("--set", "workers.a.autoscaling.enabled=true,keda.prometheusAddress=http://p:9090")
    (results,) = [part for part in rendered(*arguments, *scaled) if part["kind"] == "ScaledObject"]
    assert 'model=~"easyanimate-v3-tiny|one\\\\.5"' in results["spec"]["triggers"][0]["metadata"]["query"]


def test_the_first_pod_may_load_its_model_before_it_is_scaled_to_zero() -> None:
    spec = scaled_object("xl-512")
    assert spec["minReplicaCount"] == 0
    assert spec["initialCooldownPeriod"] >= 900 + 600


# ---- deletion cost


def cost_parts(kind: str) -> Resource:
    (part,) = [part for part in resources_of("scale-to-zero") if part["kind"] == kind]
    return part


def test_only_a_worker_with_the_setting_has_a_token_and_it_is_for_an_hour() -> None:
    results = {name: pod_of(part)["volumes"] for name, part in workloads(resources_of("scale-to-zero")).items()}
    tokens = {
        name: source["serviceAccountToken"]
        for name, volumes in results.items()
        for volume in volumes
        for source in volume.get("projected", {}).get("sources", ())
        if "serviceAccountToken" in source
    }
    assert tokens == {"worker-xl-768": {"path": "token", "expirationSeconds": 3600}}
    costs = {
        name: environment_of(part).get("EASYANIMATE_POD_DELETION_COST")
        for name, part in workloads(resources_of("scale-to-zero")).items()
        if name.startswith("worker-")
    }
    assert {name for name, value in costs.items() if value == "on"} == {"worker-xl-768"}


def test_the_right_to_change_pods_is_narrowed_to_one_annotation_of_the_own_pod() -> None:
    assert cost_parts("Role")["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]}]
    subject = cost_parts("RoleBinding")["subjects"][0]
    policy, binding = cost_parts("ValidatingAdmissionPolicy"), cost_parts("ValidatingAdmissionPolicyBinding")
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"].endswith(f"'system:serviceaccount:{subject['namespace']}:{subject['name']}'")
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert (binding["spec"]["policyName"], binding["spec"]["validationActions"]) == (
        policy["metadata"]["name"],
        ["Deny"],
    )
    variables = {variable["name"]: variable["expression"] for variable in policy["spec"]["variables"]}
    assert variables["cost"] == f"'{ANNOTATION}'"
    assert len(policy["spec"]["validations"]) == 4


def test_without_the_setting_nobody_may_change_pods() -> None:
    kinds = {part["kind"] for part in resources_of("cloud")}
    assert {"Role", "RoleBinding", "ValidatingAdmissionPolicy"} & kinds == set()


# ---- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "workers is empty"),
        (("--set", "workers.xl.model=EasyAnimateV3-XL-2-InP-512x512"), "models.claim is needed"),
        ((*SMALLEST, "--set", "worker.x=1"), "'worker' not allowed"),
        ((*SMALLEST, "--set", "settings.log_level=info"), "'log_level' does not match"),
        ((*SMALLEST, "--set", "image.service.tag=latest"), "/image/service/tag"),
        ((*SMALLEST, "--set", "secret.all.S3__SECRET_ACCESS_KEY=null"), "S3__SECRET_ACCESS_KEY are a pair"),
        ((*SMALLEST, "--set", "secret.s3AccessKeyId="), "S3__SECRET_ACCESS_KEY are a pair"),
        (
            (*SMALLEST, "--set", "secret.all.S3__SECRET_ACCESS_KEY=null,secret.s3AccessKeyId="),
            "SIGNING_SECRET is needed",
        ),
        ((*SMALLEST, "--set", "secret.all.REDIS_URL=null"), "secret.all.REDIS_URL is needed"),
        ((*SMALLEST, "--set", "secret.keeper.WEBHOOK_SECRET=null"), "WEBHOOK_SECRET is needed"),
        ((*SMALLEST, "--set", "settings.MODERATION_URL=https://m.example"), "MODERATION_SECRET is needed"),
        ((*SMALLEST, "--set", "workers.tiny.autoscaling.enabled=true"), "keda.prometheusAddress is needed"),
        ((*SMALLEST, "--set", "ingress.enabled=true"), "ingress.host is needed"),
    ],
)
def test_unusable_values_are_refused_with_a_sentence(arguments: tuple[str, ...], message: str) -> None:
    done = helm_template(*arguments)
    assert (done.returncode != 0, message in done.stderr) == (True, True), done.stderr


def test_numbers_are_written_in_digits_and_null_means_not_set(tmp_path: Path) -> None:
    settings = {"MIN_FREE_DISK_BYTES": 1 << 30, "LEASE_S": 8.5, "WEBHOOK_ALLOW_PRIVATE": False, "LOG_LEVEL": None}
    worker = {"model": "easyanimate-v3-tiny", "gpus": 0, "settings": {"MODEL_MEMORY_BYTES": 32 << 30}}
    traces = {"endpoint": "http://c:4318", "variables": {"BSP_MAX_QUEUE_SIZE": 2_000_000, "TRACES_SAMPLER_ARG": 0.1}}
    values = {"settings": settings, "workers": {"tiny": worker}, "traces": traces}
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    variables = environment_of(workloads(rendered("--values", str(tmp_path / "values.yaml")))["worker-tiny"])
    expected = {
        "EASYANIMATE_MIN_FREE_DISK_BYTES": "1073741824",
        "EASYANIMATE_LEASE_S": "8.5",
        "EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "false",
        "EASYANIMATE_MODEL_MEMORY_BYTES": "34359738368",
        "OTEL_BSP_MAX_QUEUE_SIZE": "2000000",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }
    assert expected.items() <= variables.items()
    assert "EASYANIMATE_LOG_LEVEL" not in variables


def test_names_fit_for_a_long_release() -> None:
    release = "a-release-of-a-team-with-a-name-that-is-as-long-as-allowed"[:53]
    names = [part["metadata"]["name"] for part in rendered(*SMALLEST, release=release)]
    assert max(map(len, names)) <= 63
    assert len(set(names)) > 5
