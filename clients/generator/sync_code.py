"""The synchronous client, from the source of the asynchronous one."""

import re

from clients.generator.document import ROOT

SOURCES = ROOT / "clients" / "python" / "easyanimate_client" / "_async"
REPLACEMENTS = (
    (r"AsyncGenerator\[(.+?), None\]", r"Generator[\1, None, None]"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"^import asyncio$", "import time"),
    (r"^import time\nimport time$", "import time"),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\ba(close|closing|read|iter_raw|iter_bytes)\b", r"\1"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b_async\b", "_sync"),
    (r"The asynchronous client\. .*?\"", 'The synchronous client, generated from `_async` by `make clients`."'),
)


def sync_modules() -> dict[str, str]:
    """The code of each module of the synchronous client, by its name."""
    return {path.name: _sync(path.read_text()) for path in sorted(SOURCES.glob("*.py"))}


def _sync(code: str) -> str:
    for pattern, replacement in REPLACEMENTS:
        code = re.sub(pattern, replacement, code, flags=re.MULTILINE)
    return code
