"""The description of this server for machines and people: the OpenAPI document, and Swagger UI from vendored files."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from functools import cache
from importlib import resources

from aiohttp import web
from attrs import frozen

from elaaoms.errors import NotFound
from elaaoms.server.border import Services


@frozen
class Document:
    """The OpenAPI document, made when somebody first asks for it."""

    text: Callable[[], bytes]


DOCUMENT = web.AppKey("document", Document)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>elaaoms</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="swagger-ui"></div>
<noscript>This page needs scripts; the document itself is <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_KINDS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
}


async def openapi(_: Services, request: web.Request, __: bytes) -> web.Response:
    """This document."""
    return web.Response(body=request.app[DOCUMENT].text(), content_type="application/json", charset="utf-8")


async def page(_: Services, request: web.Request, __: bytes) -> web.Response:
    """This document to read and to try, as Swagger UI; it asks nobody else for anything."""
    return web.Response(
        text=PAGE,
        content_type="text/html",
        headers={"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"},
    )


async def asset(_: Services, request: web.Request, __: bytes) -> web.Response:
    """A file that the page is made of."""
    name = request.match_info["file"]
    if name not in _KINDS:
        raise NotFound("there is no such file")
    plain, packed = await asyncio.to_thread(_file, name)
    response = web.Response(body=plain, content_type=_KINDS[name], charset="utf-8")
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.body = packed
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@cache
def _file(name: str) -> tuple[bytes, bytes]:
    """A vendored file, as it is and compressed."""
    content = resources.files("elaaoms.server").joinpath("swagger", name).read_bytes()
    return content, gzip.compress(content, 6, mtime=0)
