"""When a process records traces, and that it imports nothing for them otherwise."""

import json
import os
import subprocess
import sys

import pytest

from jobs.tracing.start import TraceSettings

LIBRARIES = "import sys, fastapi, mcp, redis, rq, boto3, httpx"
PROGRAM = """
import service.__main__, worker.__main__, worker.keeper.__main__
from jobs.tracing.start import start_traces
from jobs.tracing.spans import recorder
start_traces("worker")
with recorder().span("video.attempt") as span:
    recorder().begin("video.loading", span).end()
    span.fail("internal_error")
"""
REPORT = "import json; print(json.dumps(sorted(name for name in sys.modules if name.startswith('opentelemetry'))))"


def modules(program: str) -> set[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    lines = [LIBRARIES, program, REPORT]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_without_an_endpoint_no_module_is_imported_beside_those_of_the_libraries() -> None:
    own = modules(PROGRAM)
    assert own == modules("import fastapi.applications, mcp.server")
    assert not [name for name in own if name.startswith(("opentelemetry.exporter", "opentelemetry.instrumentation"))]


@pytest.mark.parametrize(
    ("variables", "is_on", "is_faulty"),
    [
        ({}, False, False),
        ({"OTEL_SERVICE_NAME": "video"}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "zipkin"}, True, True),
    ],
)
def test_the_standard_variables_decide(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_on: bool, is_faulty: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = TraceSettings()
    assert (settings.has_endpoint, settings.has_endpoint and settings.fault is not None) == (is_on, is_faulty)


def test_a_fault_is_logged_and_the_process_works() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    program = """
from jobs.logs import configure_logging
from jobs.tracing.start import start_traces
from jobs.tracing.spans import recorder
configure_logging("json")
start_traces("api")
print(recorder().is_on)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    line = json.loads(done.stderr)
    assert (line["event"], done.stdout.strip()) == ("traces.off", "False")
    assert "http/protobuf" in line["reason"]
