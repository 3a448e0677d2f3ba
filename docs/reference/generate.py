"""Writes the generated pages of the reference from the code: `make reference`. A test compares them with the code."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from cli.errors import ExitCode  # noqa: E402
from cli.main import app as command_line  # noqa: E402
from cli.settings import ClientSettings  # noqa: E402
from jobs.model.failure import CODES, failure  # noqa: E402
from jobs.refusal_reasons import REFUSAL_REASONS  # noqa: E402
from jobs.warning_texts import WARNING_TEXTS  # noqa: E402
from service.app import create_app  # noqa: E402
from service.http.error_codes import ERROR_CODES  # noqa: E402
from service.http.request_metrics import RequestMetrics  # noqa: E402
from service.metrics import (  # noqa: E402
    COUNTERS,
    HISTOGRAMS,
    INSTALLATION_GAUGES,
    QUEUE_GAUGES,
    REDIS_UP,
    REDIS_WRITABLE,
)
from service.settings import ServiceSettings  # noqa: E402
from worker import metrics as worker_metrics  # noqa: E402

NOTE = "This page is generated from the code by `make reference`.\n"
Rows = Iterable[tuple[str, ...]]


def table(head: tuple[str, ...], rows: Rows) -> str:
    """A table in Markdown."""
    cells = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in (" | ".join(head), " | ".join("---" for _ in head), *cells)) + "\n"


# ---- settings

_SECTION = re.compile(r"# -{4} (.*?) -*$")
_SETTING = re.compile(r"#?(\w+)=(.*)$")


def settings_page() -> str:
    """All environment variables, from `.env.example` and the classes of settings."""
    page = f"# Settings\n\n{NOTE}\nAll settings are environment variables. `.env.example` has the same list.\n"
    rows: list[tuple[str, ...]] = []
    comment: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        section, setting = _SECTION.match(line), _SETTING.match(line)
        if section:
            page += _settings_table(rows) + f"\n## {section[1]}\n\n"
            rows, comment = [], []
        elif setting:
            default = setting[2] if line.startswith("#") else ""
            rows.append((f"`{setting[1]}`", f"`{default}`" if default else "", " ".join(comment)))
            comment = []
        elif line.startswith("# "):
            comment.append(line[2:])
        elif comment and not line and "\n## " in page:  # a paragraph about the whole section
            page += " ".join(comment) + "\n\n"
            comment = []
    client = [(f"`EASYANIMATE_{name.upper()}`", _default(field)) for name, field in ClientSettings.model_fields.items()]
    meanings = ("address of the service", "API key")
    page += _settings_table(rows) + "\n## Client commands\n\n"
    return page + _settings_table([(*row, meaning) for row, meaning in zip(client, meanings, strict=True)])


def _settings_table(rows: Rows) -> str:
    rows = list(rows)
    return table(("variable", "default", "meaning"), rows) if rows else ""


def _default(field: FieldInfo) -> str:
    return f"`{field.default}`" if isinstance(field.default, str) else ""


# ---- errors


def errors_page() -> str:
    """The codes of error responses and of failed jobs."""
    rows = sorted((code.status, name, code) for name, code in ERROR_CODES.items())
    head = ("status", "code", "example of a message", "what to do", "retry")
    cells = [(str(status), f"`{name}`", code.example, code.action, _retry(code)) for status, name, code in rows]
    responses = table(head, cells)
    failures = [failure(code) for code in sorted(CODES)]
    jobs = table(
        ("code", "message", "retryable", "blame"),
        [(f"`{one.code}`", one.message, "yes" if one.retryable else "no", one.blame) for one in failures],
    )
    reasons = table(
        ("reason", "values"),
        [(f"`{reason}`", ", ".join(f"`{name}`" for name in names)) for reason, names in REFUSAL_REASONS.items()],
    )
    warnings = table(("code", "text"), [(f"`{text.code}`", text.template) for text in WARNING_TEXTS])
    return (
        f"# Errors\n\n{NOTE}\n## Error responses\n\n"
        "Each response from status 400 on is `application/problem+json` (RFC 9457), and OpenAI's error body.\n"
        "`x-request-id` is on each response. Codes never change their meaning. The message names what would work.\n\n"
        f"{responses}\n## Reasons of refusals\n\n"
        "A refused request also has a `reason`, where there is one for it, and the `values` of that reason.\n"
        f"Programs and pages in other languages use them in place of the message.\n\n{reasons}\n## Job errors\n\n"
        "`error` in the record of a failed video has a code, a message, `retryable` (the same request may\n"
        f"succeed later) and `blame` (`caller`, `model` or `infrastructure`).\n\n{jobs}\n"
        "## Warnings\n\n"
        "`warnings` in a record or an estimate are sentences. `warning_codes` has the code and the values of each,\n"
        f"in the same order, and the shot of a film. A code of another release is `unknown`.\n\n{warnings}"
    )


def _retry(code: Any) -> str:
    if code.never_retry:
        return "never (`x-should-retry: false`)"
    return "" if code.retry_after_s is None else f"after {code.retry_after_s} s (`Retry-After`)"


# ---- metrics


def metrics_page() -> str:
    """All Prometheus metrics, by the process that exports them."""
    head = ("metric", "type", "labels", "meaning")
    rows = [
        *(_row(name, "gauge", labels, text) for name, text, labels in (*QUEUE_GAUGES, *INSTALLATION_GAUGES)),
        *(_row(name, "gauge", labels, text) for name, text, labels in (REDIS_UP, REDIS_WRITABLE)),
        *(_row(f"{name}_total", "counter", labels, text) for name, text, labels in COUNTERS.values()),
        *(_row(name, "histogram", labels, text) for name, text, labels in HISTOGRAMS.values()),
    ]
    worker = [_row(one.name, one.kind, one.labels, one.text) for one in worker_metrics.DESCRIPTIONS]
    return (
        f"# Metrics\n\n{NOTE}\n## Front end\n\nEach front end answers `GET /metrics` and counts its own requests.\n\n"
        f"{table(head, _request_metrics())}\n## Installation\n\nRead from Redis, equal on each front end.\n\n"
        f"{table(head, rows)}\n## Worker and keeper\n\n"
        "Exported on `EASYANIMATE_WORKER_METRICS_PORT` and `EASYANIMATE_KEEPER_METRICS_PORT`.\n\n"
        f"{table(head, worker)}"
    )


def _request_metrics() -> Iterator[tuple[str, ...]]:
    """The metrics of a front end after a request, which shows their labels."""
    metrics = RequestMetrics()
    metrics.count("GET", "/healthz", 200, 0.001)
    for one in metrics.registry.collect():
        suffix = {"counter": "_total", "info": "_info"}.get(one.type, "")
        labels = tuple(label for label in one.samples[0].labels if label != "le")
        yield _row(f"{one.name}{suffix}", one.type.replace("info", "gauge"), labels, one.documentation)


def _row(name: str, kind: str, labels: tuple[str, ...], text: str) -> tuple[str, str, str, str]:
    return f"`{name}`", kind, ", ".join(labels), text


# ---- command line


def command_page() -> str:
    """Each command with its arguments and options."""
    group = typer.main.get_command(command_line)
    codes = table(("exit code", "meaning"), [(f"`{code.value}`", str(code.__doc__)) for code in ExitCode])
    page = f"# Command line\n\n{NOTE}\n## Exit codes\n\n{codes}\n"
    return page + "\n".join(_commands(group, "easyanimate"))


def _commands(command: Any, path: str) -> Iterator[str]:
    if isinstance(command, typer.core.TyperGroup):
        for name, inner in command.commands.items():
            yield from _commands(inner, f"{path} {name}")
        return
    yield f"## `{path}`\n\n{_plain(command.help)}\n"
    rows = [_option(option) for option in command.params if option.name != "help"]
    if rows:
        yield table(("argument or option", "default", "meaning"), rows)


def _option(option: Any) -> tuple[str, str, str]:
    is_argument = option.param_type_name == "argument"
    name = option.name.upper() if is_argument else ", ".join([*option.opts, *option.secondary_opts])
    default = option.default if not callable(option.default) else None
    shown = "" if default in (None, False, ()) or option.required else f"`{default}`"
    return f"`{name}`", "required" if option.required else shown, _plain(option.help)


def _plain(text: str | None) -> str:
    return " ".join(cleandoc(text or "").split())


# ---- API


def api_page() -> str:
    """Each route with its parameters, fields and codes, from the OpenAPI document."""
    document = create_app(ServiceSettings()).openapi()
    page = f"# API\n\n{NOTE}\nThe [guide](../guides/api.md) explains how to use it. `/openapi.json` has all details.\n"
    for tag in document["tags"]:
        page += f"\n## {tag['name'].capitalize()}\n\n{tag.get('description', '')}\n"
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation.get("tags", ()):
                    page += _operation(method, path, operation, document)
    return page


def _operation(method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    text = f"\n### `{method.upper()} {path}`\n\n{operation.get('description') or operation.get('summary', '')}\n"
    fields = [*_parameters(operation, document), *_body(operation, document)]
    if fields:
        text += "\n" + table(("field", "in", "type", "meaning"), fields)
    return text + "\n" + _statuses(operation)


def _parameters(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for one in operation.get("parameters", ()):
        parameter = _resolved(one, document)
        name, place = f"`{parameter['name']}`", parameter["in"]
        yield name, place, _type(parameter.get("schema", {}), document), parameter.get("description", "")


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return
    kind = "application/json" if "application/json" in content else next(iter(content))
    schema = _resolved(content[kind]["schema"], document)
    for name, field in schema.get("properties", {}).items():
        required = "body, required" if name in schema.get("required", ()) else "body"
        yield f"`{name}`", required, _type(field, document), _resolved(field, document).get("description", "")


def _statuses(operation: Mapping[str, Any]) -> str:
    lines = []
    for status, response in operation["responses"].items():
        examples = [
            name
            for content in response.get("content", {}).values()
            for name in content.get("examples", {})
            if int(status) >= 400
        ]
        codes = ", ".join(f"`{name}`" for name in dict.fromkeys(examples))
        lines.append(f"- {status}: {codes or response.get('description', '')}")
    return "\n".join(lines) + "\n"


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if not reference:
        return dict(schema)
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return {**_resolved(found, document), **{key: value for key, value in schema.items() if key != "$ref"}}


def _type(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    whole = _resolved(schema, document)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in whole:
            return " or ".join(dict.fromkeys(_type(one, document) for one in whole[key]))
    if "enum" in whole:
        return ", ".join(f"`{value}`" for value in whole["enum"])
    kind = whole.get("type", "object")
    if isinstance(kind, list):
        return " or ".join(kind)
    bounds = [
        f"{word} {whole[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"), ("maxItems", "at most"))
        if key in whole
    ]
    inner = f" of {_type(whole['items'], document)}" if kind == "array" and "items" in whole else ""
    text = f"{kind}{inner} {' '.join(bounds)}".strip()
    return text + (f", default `{str(whole['default']).lower()}`" if whole.get("default") not in (None, "") else "")


PAGES = {
    "api.md": api_page,
    "errors.md": errors_page,
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "command-line.md": command_page,
}


def generated(name: str) -> str:
    """The text of a page."""
    return re.sub(r"[ \t]+\n", "\n", PAGES[name]())


def main() -> None:
    """Writes all pages."""
    for name in PAGES:
        (FOLDER / name).write_text(generated(name), encoding="utf-8")


if __name__ == "__main__":
    main()
