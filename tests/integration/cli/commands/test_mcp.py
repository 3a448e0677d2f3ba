"""`easyanimate mcp`: a program starts it and talks to it over stdin and stdout."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.clients.own.front_end import FrontEnd
from tests.integration.service.conftest import _quiet  # noqa: F401, a fixture
from tests.integration.service.mcp.conftest import service  # noqa: F401, a fixture
from tests.integration.service.mcp.mcp_client import code_of, created, images_of, links_of, text_of

ROOT = Path(__file__).parents[4]


@asynccontextmanager
async def started(url: str, folder: Path, key: str, mode: str) -> AsyncIterator[Client]:
    """A client of a process of `easyanimate mcp`; the file `log` has its stderr."""
    environment = {"EASYANIMATE_URL": url, "EASYANIMATE_API_KEY": key}
    command = StdioServerParameters(command=sys.executable, args=["-m", "cli", "mcp"], env=environment, cwd=ROOT)
    with (folder / "log").open("w") as log:
        async with Client(stdio_client(command, errlog=log), mode=mode) as client:
            yield client


def test_a_video_is_created_and_followed_over_stdio(service: FrontEnd, tmp_path: Path) -> None:  # noqa: F811
    reported: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    async def run() -> None:
        async with started(service.url, tmp_path, service.key, "legacy") as client:
            video_id = await created(client, "a red fox")
            arguments = {"video_id": video_id}
            done = await client.call_tool("follow_video", arguments, progress_callback=note)
            assert done.structured_content["status"] == "completed"
            assert str(links_of(done)["mp4"].uri).startswith("http")
            assert images_of(done)
            extension = await client.call_tool("extend_video", {**arguments, "prompt": "on", "num_frames": 8})
            assert extension.structured_content["source_video_id"] == video_id
            assert video_id in text_of(await client.call_tool("list_videos", {}))
            assert "deleted" in text_of(await client.call_tool("delete_video", arguments))
            assert code_of(await client.call_tool("get_video", arguments)) == "video_not_found"

    asyncio.run(run())
    assert reported[-1] == 100
    assert service.key not in (tmp_path / "log").read_text()


def test_a_wrong_key_is_a_refusal_of_each_tool(service: FrontEnd, tmp_path: Path) -> None:  # noqa: F811
    async def run() -> None:
        async with started(service.url, tmp_path, "sk-wrong-key", "auto") as client:
            assert code_of(await client.call_tool("list_models", {})) == "invalid_api_key"

    asyncio.run(run())
    assert "sk-wrong-key" not in (tmp_path / "log").read_text()
