"""Cross-origin requests (CORS): web pages of the origins in the settings may use the API with a key."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from service.http.errors import problem_response

METHODS = ("GET", "HEAD", "POST", "DELETE")


class CrossOriginMiddleware(CORSMiddleware):
    """Starlette's middleware with this service's status codes: 204 for a preflight, 403 for a refused one.

    Cookies and other credentials of the browser are not allowed; a key is an ordinary header.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], exposed_headers: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],  # the response repeats the requested names, so `Authorization` is one of them
            allow_private_network=True,
            expose_headers=exposed_headers,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """204 with the allowed methods and headers; 403 with a problem body for another origin or method."""
        response = super().preflight_response(request_headers)
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        if response.status_code == 200:
            return Response(status_code=204, headers=headers)
        message = "pages of this origin may not send this request; EASYANIMATE_CORS_ORIGINS lists the origins"
        return problem_response("", "forbidden", message, headers=headers)
