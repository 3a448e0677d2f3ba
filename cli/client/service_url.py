"""The URL of a service as users write it."""

from urllib.parse import urlsplit, urlunsplit

from cli.errors import RefusedCommand

API_PATH = "/v1"  # which OpenAI's clients have in their base URL


def service_url(text: str) -> str:
    """The base URL of a service: without `/v1` and slashes at the end. Raises RefusedCommand."""
    if "://" not in text:
        raise RefusedCommand(f"{text!r} is not a URL; did you mean http://{text.lstrip('/')} ?")
    try:
        parts = urlsplit(text.strip())
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise RefusedCommand(f"{text!r} is not the URL of a service, as http://127.0.0.1:8000 is")
    if parts.query or parts.fragment:
        raise RefusedCommand(f"{text!r} must end after the path: leave out what follows ? or #")
    path = parts.path.rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path.removesuffix(API_PATH).rstrip("/"), "", ""))
