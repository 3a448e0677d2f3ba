"""The MCP server: it lists the tools and runs them, for both transports."""

from typing import Any

import structlog
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolRequestParams, ListToolsResult, PaginatedRequestParams, Result

from jobs.errors import InvalidRequest
from jobs.version import VERSION
from service.mcp.api import ToolRefusal
from service.mcp.results import refusal_result
from service.mcp.tasks import ApiOf, add_tasks
from service.mcp.tools import TOOLS

log = structlog.get_logger()

NAME = "easyanimate"
INSTRUCTIONS = (
    "Creates videos from text and images. create_video answers at once with the id of a video; its generation takes a "
    "minute or more. Call follow_video with the id until the video is completed. Links to files expire within an hour; "
    "get_video creates new ones. list_models has the sizes and lengths that a model accepts."
)


def create_server(api_of: ApiOf) -> Server[Any]:
    """The server with all tools; `api_of` is the API for the caller of a request."""

    async def list_tools(_: ServerRequestContext, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.definition for tool in TOOLS.values()])

    async def call_tool(context: ServerRequestContext, params: CallToolRequestParams) -> Result:
        if (tool := TOOLS.get(params.name)) is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool with this name; there are {', '.join(TOOLS)}")
        try:
            return await tool.run(api_of(context), params.arguments or {}, context)
        except ToolRefusal as refusal:
            return refusal_result(refusal)
        except InvalidRequest as error:
            return refusal_result(ToolRefusal(error.code, str(error), error.param))
        except MCPError:
            raise
        except Exception:  # the traceback goes to the log, a sentence to the client
            log.exception("tool.failed", tool=params.name)
            return refusal_result(ToolRefusal("internal_error", "An unexpected error occurred."))

    server: Server[Any] = Server(NAME, version=VERSION, instructions=INSTRUCTIONS, on_list_tools=list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
    add_tasks(server, api_of)
    return server
