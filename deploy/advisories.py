"""`python -m deploy.advisories`: whether pypi.org gives the data on vulnerabilities that `make audit` compares with.

A mirror of packages often has none. Then an audit checks nothing, which must not look like a result.
"""

import json
import sys
from urllib.error import URLError
from urllib.request import urlopen

ADDRESS = "https://pypi.org/pypi/pip/json"  # pip-audit reads the same document of each package
TIMEOUT_S = 30.0
NO_DATA = "audit: NOTHING WAS CHECKED. {reason}. `make audit` needs a machine that reaches https://pypi.org itself."


def why_unavailable(address: str = ADDRESS) -> str | None:
    """Why there is no data at the address; None if there is."""
    try:
        with urlopen(address, timeout=TIMEOUT_S) as response:  # noqa: S310  https, a constant
            document = json.load(response)
    except (URLError, TimeoutError, ValueError) as error:
        return f"{address} does not answer with JSON ({getattr(error, 'reason', None) or error})"
    if not isinstance(document, dict) or "vulnerabilities" not in document:
        return f"{address} has no data on vulnerabilities"
    return None


def main() -> int:
    """Writes the reason to standard error; returns the exit code, 2 without data."""
    reason = why_unavailable()
    if reason is not None:
        sys.stderr.write(NO_DATA.format(reason=reason) + "\n")
    return 2 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
