"""Logs: one line an event, with the ids of what it is about and never a transcript or a phone number."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from io import TextIOWrapper
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import frozen

from elaaoms.errors import ElaaomsError

_FIELDS: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default=MappingProxyType({}))
_LONGEST = 200  # characters of a field's value: ids may come from outside
_AREAS = {  # what the operator calls a part of the program, and its loggers
    "webhooks": ("elaaoms.http",),
    "jobs": ("elaaoms.jobs", "elaaoms.ingest", "elaaoms.extract", "elaaoms.greeting"),
    "llm": ("elaaoms.llm",),
    "openmemory": ("elaaoms.replica", "elaaoms.remote"),
}
_PRIORITIES = {"CRITICAL": "<2>", "ERROR": "<3>", "WARNING": "<4>", "INFO": "<6>", "DEBUG": "<7>"}
_BREAKS = str.maketrans(
    {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: " ", 0x2029: " "}
)


class fields:
    """Add fields to every line logged inside the block, also by the tasks started there."""

    __slots__ = ("_token", "_values")

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _FIELDS.set({**_FIELDS.get(), **_told(self._values)})

    def __exit__(self, *_: object) -> None:
        _FIELDS.reset(self._token)


def note(**values: Any) -> None:
    """Add fields to every line from here to the end of the innermost `fields` block; outside of one to none."""
    known = _FIELDS.get()
    if isinstance(known, dict):
        known.update(_told(values))


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """What there is to tell, cut: an id of a megabyte is somebody's joke."""
    return {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in values.items()
        if value not in (None, "")
    }


def answered(logger: logging.Logger, method: str, route: str, status: int, ms: float) -> None:
    """The line that every request has, without looking up where in the code it comes from."""
    if not logger.isEnabledFor(logging.INFO):
        return
    ms = round(ms, 1)
    given = (method, route, status, ms)
    record = logging.LogRecord(logger.name, logging.INFO, "", 0, "%s %s %d in %.1f ms", given, None)
    record.figures = {"method": method, "route": route, "status": status, "ms": ms}
    logger.handle(record)


class _Formatter(logging.Formatter):
    """`time level logger: sentence key=value`, or the same as JSON; whatever is logged stays on its line."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._kind = style
        self._second, self._moment = -1, ""  # the last one that was written out

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
                **getattr(record, "figures", {}),
            }
            return json.dumps(entry | ({"trace": trace} if trace else {}), default=str)
        rest = "".join(f" {key}={value}" for key, value in _FIELDS.get().items())
        line = f"{record.name}: {message}{rest}"
        if not line.isprintable():
            line = line.translate(_BREAKS)
        if trace:  # a traceback is unreadable on one line; no line of it can be taken for one of ours
            shown = (part.translate(_BREAKS) for part in trace.split("\n"))
            line = "\n".join([line, *(f"    | {part}" for part in shown)])
        if self._kind == "journal":
            priority = _PRIORITIES.get(record.levelname, "<6>")
            return "\n".join(f"{priority}{part}" for part in line.split("\n"))
        return f"{self._time(record)} {record.levelname:<7} {line}"

    def _time(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._moment}.{int(record.msecs):03d}Z"


class _Malformed(logging.Filter):
    """A malformed request on a public port is everyday noise: one line instead of a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and "Error handling request" in record.getMessage():
            record.msg, record.args = f"a malformed request was refused ({_kind(record.exc_info)})", ()
            record.exc_info, record.levelno, record.levelname = None, logging.INFO, "INFO"
        return True


def _kind(exc_info: Any) -> str:
    return exc_info[0].__name__ if exc_info[0] else "unknown"


class _File(logging.handlers.RotatingFileHandler):
    """A file of JSON lines for our eyes alone, that begins anew when it is full."""

    def __init__(self, path: Path, *, largest: int, kept: int) -> None:
        super().__init__(path, maxBytes=largest, backupCount=kept, encoding="utf-8")
        self.setFormatter(_Formatter("json"))

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_private)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk costs lines here and nothing else; they stand on stderr."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@frozen(kw_only=True)
class Files:
    """Where lines are written besides stderr: all of them, and those of `errors` and above in a file of their own."""

    folder: Path
    largest: int
    kept: int
    errors: str = "warning"


def configure(
    level: str, style: str, levels: Mapping[str, str] = MappingProxyType({}), files: Files | None = None
) -> None:
    """Log to stderr as `text` or `json`; `auto` is text, with priorities when the journal reads it.

    `levels` are those of areas (`_AREAS`) that have one of their own. ElaaomsError when no file can be written.
    """
    if style == "auto":
        style = "journal" if _under_journal() else "text"
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells them
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(style))
    root = logging.getLogger()
    root.handlers[:] = [handler, *_files(files)]
    root.setLevel(logging.WARNING)
    logging.getLogger("elaaoms").setLevel(level.upper())
    for area, names in _AREAS.items():
        for name in names:
            logging.getLogger(name).setLevel((levels.get(area) or "notset").upper())
    logging.getLogger("aiohttp.server").addFilter(_Malformed())


def _files(files: Files | None) -> list[logging.Handler]:
    if files is None:
        return []
    try:
        for folder in (files.folder.parent, files.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        everything, errors = (
            _File(files.folder / name, largest=files.largest, kept=files.kept)
            for name in ("elaaoms.log", "errors.log")
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ElaaomsError(f"cannot write to {files.folder} (logging.file): {reason}") from error
    errors.setLevel(files.errors.upper())
    return [everything, errors]


def _under_journal() -> bool:
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"
