"""A proxy may serve the service below a path: requests arrive with this prefix, or without it."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class PathPrefixMiddleware:
    """Removes `prefix`, such as `/video`, from the paths of requests. A path without it stays as it is.

    All responses are the same with and without a prefix: their links are relative, or begin with `public_url`.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application (ASGI)."""
        path = scope.get("path", "")
        if path == self.prefix:  # the relative addresses of the studio need the slash
            await RedirectResponse(f"{path.rpartition('/')[2]}/", 308)(scope, receive, send)
            return
        if path.startswith(f"{self.prefix}/"):
            raw_path = scope.get("raw_path") or b""
            scope = {
                **scope,
                "path": path.removeprefix(self.prefix),
                "raw_path": raw_path.removeprefix(self.prefix.encode()),
            }
        await self.app(scope, receive, send)
