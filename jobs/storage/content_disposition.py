"""The `Content-Disposition` of downloads, with the file name in both forms of RFC 6266.

Browsers read `filename*`, which can have all characters. Programs such as `curl -OJ` read only `filename`.
"""

from urllib.parse import quote

_REPLACED = frozenset('"\\%/')  # programs decode or interpret them differently


def attachment(filename: str) -> str:
    """The header of a download with this file name. In `filename`, characters outside ASCII become underscores."""
    plain = "".join("_" if letter in _REPLACED or not " " <= letter <= "~" else letter for letter in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
