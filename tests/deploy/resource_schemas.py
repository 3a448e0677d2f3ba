"""Writes the JSON schemas of the resources of the chart: `resource_schemas.py FOLDER`, with the tools for Kubernetes.

Each file is `VERSION/KIND.json`. It holds the definitions that the kind refers to and no others, so that a test reads
it in milliseconds. Those of Kubernetes come from kubernetes-validate, those of the operators from cloudcoil. All are
strict: an unknown field is an error.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor

VERSIONS = ("1.30", "1.37")  # the oldest that the chart supports, and the latest with a schema
KINDS = (
    "configmap-v1",
    "deployment-apps-v1",
    "horizontalpodautoscaler-autoscaling-v2",
    "ingress-networking-v1",
    "networkpolicy-networking-v1",
    "poddisruptionbudget-policy-v1",
    "role-rbac-v1",
    "rolebinding-rbac-v1",
    "secret-v1",
    "service-v1",
    "serviceaccount-v1",
    "statefulset-apps-v1",
    "validatingadmissionpolicy-admissionregistration-v1",
    "validatingadmissionpolicybinding-admissionregistration-v1",
)
OPERATORS = {"scaledobject": ScaledObject, "servicemonitor": ServiceMonitor}
REFERENCE = re.compile(r'"\$ref": "[^"]*?#/(?:definitions|\$defs)/([^"]+)"')


def with_its_definitions(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with the definitions that it needs, as a document without references to other documents."""
    needed: dict[str, Any] = {}
    waiting = REFERENCE.findall(json.dumps(schema))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = definitions[name]
            waiting += REFERENCE.findall(json.dumps(definitions[name]))
    text = REFERENCE.sub(r'"$ref": "#/$defs/\1"', json.dumps({**schema, "$defs": needed}))
    document: dict[str, Any] = json.loads(text)
    return document


def strict(schema: Any) -> Any:
    """The schema of an operator; objects with named fields have no others."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result["additionalProperties"] = False
    return result


def write_version(folder: Path, version: str) -> None:
    """Writes the schemas of this version of Kubernetes and those of the operators."""
    source = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    definitions = json.loads((source / "_definitions.json").read_text())["$defs"]
    folder.mkdir(parents=True)
    for kind in KINDS:
        schema = with_its_definitions(json.loads((source / f"{kind}.json").read_text()), definitions)
        (folder / f"{kind.split('-')[0]}.json").write_text(json.dumps(schema))
    for name, model in OPERATORS.items():
        (folder / f"{name}.json").write_text(json.dumps(strict(model.model_json_schema(by_alias=True))))


if __name__ == "__main__":
    for number in VERSIONS:
        write_version(Path(sys.argv[1]) / number, number)
