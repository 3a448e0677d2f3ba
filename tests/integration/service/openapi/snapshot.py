"""The OpenAPI document as a file, which shows changes of the API in a review; `make snapshot` renews it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from service.app import create_app
from service.settings import ServiceSettings

SNAPSHOT = Path(__file__).with_name("openapi.json")


@cache
def document() -> dict[str, Any]:
    """The document of the current code; not to be changed."""
    return create_app(ServiceSettings()).openapi()


@cache
def read_snapshot() -> dict[str, Any]:
    """The document in the file, which is read much faster than the code creates it; not to be changed."""
    return dict(json.loads(SNAPSHOT.read_text()))


def operation_names() -> tuple[str, ...]:
    """Method and path of each operation in the file, for the parameters of tests."""
    paths = read_snapshot()["paths"]
    return tuple(sorted(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods))


def webhook_names() -> tuple[str, ...]:
    """The names of the webhooks in the file."""
    return tuple(sorted(read_snapshot()["webhooks"]))


def current() -> str:
    """The document of the current code, one value per line."""
    return json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(current())
