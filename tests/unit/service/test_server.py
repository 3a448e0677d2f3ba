"""The server believes the headers of trusted proxies only; the log has the address of the client."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from service.__main__ import main, server_config
from service.app import create_app
from service.settings import ServiceSettings

FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(ServiceSettings(data_dir=tmp_path_factory.mktemp("data")))


def test_the_log_has_no_ticket_and_no_signature(app: FastAPI) -> None:
    async def get() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path in ("/studio/icon.svg?ticket=watch.9.0a", "/files/a?signature=0a", "/nothing?ticket=0a"):
                await client.get(path)

    with capture_logs() as lines:
        asyncio.run(get())
    assert [line["status"] for line in lines if line["event"] == "request.finished"] == [200, 403, 404]
    assert not [line for line in lines if "ticket" in str(line) or "signature" in str(line)]


def logged_client(app: FastAPI, settings: ServiceSettings, address: str) -> Any:
    """The client in the log line of a forwarded request from this address."""
    config = server_config(app, settings)
    config.load()
    transport = httpx.ASGITransport(config.loaded_app, client=(address, 50_000))

    async def get() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=FORWARDED) as client:
            (await client.get("/studio/icon.svg")).raise_for_status()

    with capture_logs() as lines:
        asyncio.run(get())
    return next(line["client"] for line in lines if line["event"] == "request.finished")


@pytest.mark.parametrize(
    ("trusted", "address", "expected"),
    [
        (None, "127.0.0.1", "203.0.113.7"),
        (None, "::1", "203.0.113.7"),
        (None, "10.0.0.9", "10.0.0.9"),
        (None, "127.0.0.2", "127.0.0.2"),
        ("10.0.0.0/8", "10.0.0.9", "203.0.113.7"),
        ("10.0.0.0/8", "127.0.0.1", "127.0.0.1"),
        ("*", "192.0.2.1", "203.0.113.7"),
    ],
)
def test_the_client_is_that_of_a_trusted_proxy(app: FastAPI, trusted: str | None, address: str, expected: str) -> None:
    values = {"forwarded_allow_ips": trusted} if trusted else {}
    assert logged_client(app, ServiceSettings.model_validate(values), address) == expected


def test_a_data_folder_that_cannot_be_used_ends_the_start_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(tmp_path / "file" / "data"))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    before = structlog.get_config()
    with pytest.raises(SystemExit, match=r"EASYANIMATE_DATA_DIR cannot be used .* or set EASYANIMATE_SIGNING_SECRET"):
        main()
    structlog.configure(**before)
