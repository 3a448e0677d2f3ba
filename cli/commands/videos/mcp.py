"""`easyanimate mcp`: the MCP tools over stdin and stdout, for a running service."""

import asyncio

from cli.client.connection import async_http_client
from cli.commands.remote.connection import Url, client_settings
from cli.errors import exit_on_error
from cli.settings import ClientSettings

MCP_TIMEOUT_S = 90.0  # of one request; a long poll takes 20 s


def mcp(url: Url = None) -> None:
    """Serve the tools of the Model Context Protocol over stdin and stdout, as a client of a service."""
    with exit_on_error("mcp", on_interrupt="stopped"):
        asyncio.run(_serve(client_settings(url)))


async def _serve(settings: ClientSettings) -> None:
    """Serves until stdin ends. Raises ClientError."""
    from mcp.server.stdio import stdio_server

    from service.mcp.api import VideoApi
    from service.mcp.server import create_server

    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"} if settings.api_key else {}
    async with async_http_client(settings.url, MCP_TIMEOUT_S) as http:
        server = create_server(lambda _: VideoApi(http, headers))
        async with stdio_server() as (messages, answers):
            await server.run(messages, answers, server.create_initialization_options())
