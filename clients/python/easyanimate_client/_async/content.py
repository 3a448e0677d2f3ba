"""Downloads that continue after an interruption."""

import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import IO
from uuid import uuid4

from easyanimate_client._async.http import AsyncHttp
from easyanimate_client.errors import ApiError, ConnectionFailed, ContentChanged
from easyanimate_client.options import Call
from easyanimate_client.transfer import Transfer

Target = str | os.PathLike[str] | IO[bytes]


async def stream_content(
    http: AsyncHttp, path: str, params: Mapping[str, str], sha256: str | None
) -> AsyncGenerator[bytes, None]:
    """The bytes of a file. A broken connection continues where it ended, if the file is still the same.

    Raises ContentChanged, DownloadFailed.
    """
    transfer, failures = Transfer(sha256), 0
    while not transfer.has_ended:
        call = Call("GET", path, params, transfer.headers())
        before = transfer.received
        try:
            async with http.stream(call) as response:
                transfer.begin(response.status_code, response.headers)
                async for chunk in response.aiter_raw():
                    if new := transfer.add(chunk):
                        yield new
            transfer.end()
        except (ApiError, ConnectionFailed) as error:
            if not transfer.ends_with(error):
                failures = 1 if transfer.received > before else failures + 1
                await http.wait_after(error, call, failures)
    transfer.check()


async def download(http: AsyncHttp, path: str, params: Mapping[str, str], sha256: str | None, target: Target) -> None:
    """Writes the file to `target`: to a path completely or not at all, to an open file as it arrives."""
    if not isinstance(target, str | os.PathLike):
        async for chunk in stream_content(http, path, params, sha256):
            target.write(chunk)
        return
    final = Path(target)
    unfinished = final.with_name(f".{final.name}.{uuid4().hex[:8]}.part")
    try:
        await _write(http, path, params, sha256, unfinished)
        unfinished.replace(final)
    finally:
        unfinished.unlink(missing_ok=True)


async def _write(http: AsyncHttp, path: str, params: Mapping[str, str], sha256: str | None, target: Path) -> None:
    """Writes the file, from its beginning again if it has changed meanwhile."""
    for tries in range(http.options.max_retries + 1):
        try:
            with target.open("wb") as file:
                async for chunk in stream_content(http, path, params, sha256):
                    file.write(chunk)
            return
        except ContentChanged:
            if tries == http.options.max_retries:
                raise
