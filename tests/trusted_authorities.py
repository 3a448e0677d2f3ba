"""All HTTP clients of a test process share the trusted authorities: to read them takes 50 ms of processor time.

Most tests create a client, and nearly all addresses are `http`. A client with `verify` of its own keeps it.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import httpx
import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_authorities() -> Iterator[None]:
    """Reads the authorities once for the clients of httpx."""
    authorities = httpx.create_ssl_context()
    with pytest.MonkeyPatch.context() as patch:
        for client in (httpx.Client, httpx.AsyncClient):
            patch.setattr(client, "__init__", _with_authorities(client.__init__, authorities))
        yield


def _with_authorities(create: Callable[..., None], authorities: Any) -> Callable[..., None]:
    @wraps(create)
    def create_with_authorities(*arguments: Any, **options: Any) -> None:
        if options.get("verify", True) is True:
            options["verify"] = authorities
        create(*arguments, **options)

    return create_with_authorities
