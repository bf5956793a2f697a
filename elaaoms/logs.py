"""Logs: one line an event, with the ids of what it is about and never a transcript or a phone number."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

_FIELDS: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default=MappingProxyType({}))
_PRIORITIES = {"CRITICAL": "<2>", "ERROR": "<3>", "WARNING": "<4>", "INFO": "<6>", "DEBUG": "<7>"}
_BREAKS = str.maketrans(
    {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: " ", 0x2029: " "}
)


@contextmanager
def fields(**values: Any) -> Iterator[None]:
    """Add fields to every line logged inside the block, also by the tasks started there."""
    token = _FIELDS.set({**_FIELDS.get(), **values})
    try:
        yield
    finally:
        _FIELDS.reset(token)


class _Formatter(logging.Formatter):
    """`time level logger: sentence key=value`, or the same as JSON; whatever is logged stays on its line."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._kind = style

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._kind == "json":
            entry = {
                "time": self._time(record),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": message,
                **_FIELDS.get(),
            }
            return json.dumps(entry | ({"trace": trace} if trace else {}), default=str)
        rest = "".join(f" {key}={value}" for key, value in _FIELDS.get().items())
        line = f"{record.name}: {message}{rest}".translate(_BREAKS)
        if trace:  # a traceback is ours, and unreadable on one line
            line = f"{line}\n{trace}"
        if self._kind == "journal":
            priority = _PRIORITIES.get(record.levelname, "<6>")
            return "\n".join(f"{priority}{part}" for part in line.splitlines())
        return f"{self._time(record)} {record.levelname:<7} {line}"

    def _time(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{moment}.{int(record.msecs):03d}Z"


class _Malformed(logging.Filter):
    """A malformed request on a public port is everyday noise: one line instead of a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and "Error handling request" in record.getMessage():
            record.msg, record.args = f"a malformed request was refused ({_kind(record.exc_info)})", ()
            record.exc_info, record.levelno, record.levelname = None, logging.INFO, "INFO"
        return True


def _kind(exc_info: Any) -> str:
    return exc_info[0].__name__ if exc_info[0] else "unknown"


def configure(level: str, style: str) -> None:
    """Log to stderr as `text` or `json`; `auto` is text, with priorities when the journal reads it."""
    if style == "auto":
        style = "journal" if _under_journal() else "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("elaaoms").setLevel(level.upper())
    logging.getLogger("aiohttp.server").addFilter(_Malformed())


def _under_journal() -> bool:
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"
