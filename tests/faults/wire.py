"""Raw connections, for what no HTTP client would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from conftest import Platform


def address(platform: Platform) -> tuple[str, int]:
    host, _, port = platform.url.removeprefix("http://").partition(":")
    return host, int(port)


@asynccontextmanager
async def line(platform: Platform) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A raw connection, closed at the end."""
    reader, writer = await asyncio.open_connection(*address(platform))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
