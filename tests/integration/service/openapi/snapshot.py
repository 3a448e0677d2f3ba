"""The OpenAPI document as a file, which shows changes of the API in a review; `make snapshot` renews it."""

import json
from pathlib import Path

from service.app import create_app
from service.settings import ServiceSettings

SNAPSHOT = Path(__file__).with_name("openapi.json")


def current() -> str:
    """The document of the current code, one value per line."""
    return json.dumps(create_app(ServiceSettings()).openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(current())
