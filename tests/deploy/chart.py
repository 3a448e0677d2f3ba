"""Renders the Helm chart with the real helm. `python -m tests.deploy.chart` writes the expected renders anew."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.clients.environments import helm

Resource = dict[str, Any]
ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "easyanimate"
PODS = {  # of the examples of values; written down, so that pytest collects the tests without helm
    "cloud": ("api", "keeper", "worker-xl-512", "worker-xl-768"),
    "one-gpu": ("api", "keeper", "valkey", "worker-xl"),
    "scale-to-zero": ("api", "keeper", "valkey", "worker-xl-512", "worker-xl-768"),
}
EXAMPLES = tuple(PODS)
RENDERS = Path(__file__).parent / "renders"
SMALLEST = ("--set", "workers.tiny.model=easyanimate-v3-tiny", "--set", "workers.tiny.gpus=0")


def helm_template(*arguments: str, release: str = "video") -> "subprocess.CompletedProcess[str]":
    """Runs `helm template` on the chart."""
    command = [helm(), "template", release, CHART, "--namespace", "studio", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def rendered(*arguments: str, release: str = "video") -> list[Resource]:
    """The resources of the chart with these arguments of helm."""
    done = helm_template(*arguments, release=release)
    assert done.returncode == 0, done.stderr
    return [resource for resource in yaml.load_all(done.stdout, yaml.CSafeLoader) if resource]


@cache
def text_of(example: str) -> str:
    """What helm writes for an example of values."""
    done = helm_template("--values", str(CHART / "examples" / f"{example}.yaml"))
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def resources_of(example: str) -> list[Resource]:
    """The resources of an example of values."""
    return [resource for resource in yaml.load_all(text_of(example), yaml.CSafeLoader) if resource]


def workloads(resources: list[Resource]) -> dict[str, Resource]:
    """The Deployments and StatefulSets by the end of their names: api, keeper, valkey, worker-NAME."""
    results = [resource for resource in resources if resource["kind"] in ("Deployment", "StatefulSet")]
    prefix = next(name for part in results if (name := part["metadata"]["name"]).endswith("-api")).removesuffix("api")
    return {resource["metadata"]["name"].removeprefix(prefix): resource for resource in results}


def pod_of(workload: Resource) -> Resource:
    """The specification of the pods of a workload."""
    pod: Resource = workload["spec"]["template"]["spec"]
    return pod


def container_of(workload: Resource) -> Resource:
    """The only container of a workload."""
    (container,) = pod_of(workload)["containers"]
    return dict(container)


def environment_of(workload: Resource) -> dict[str, str]:
    """The variables with a value of their own."""
    return {entry["name"]: entry["value"] for entry in container_of(workload)["env"] if "value" in entry}


if __name__ == "__main__":
    for name in PODS:
        (RENDERS / f"{name}.yaml").write_text(text_of(name))
