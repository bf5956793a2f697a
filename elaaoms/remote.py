"""What a failed call to a service means: ask again later, give this request up, or pause the provider.

Nothing here imports an SDK. An error is read by what it carries (`status_code`, `response.headers`, `body`)
and by the names of its classes, so that every client that speaks HTTP is judged by one table. The sentences
name the service, the status and the provider's own short code; never a body, a key or what was asked.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, TypeVar

from elaaoms.errors import ProviderBlocked, ServiceRejected, ServiceUnavailable

Failure: TypeAlias = ServiceUnavailable | ServiceRejected | ProviderBlocked
F = TypeVar("F", ServiceUnavailable, ServiceRejected, ProviderBlocked)

RETRY_AFTER_MAX_S = 86400.0  # the longest limits are a day's; what asks for more is a mistake

_BLOCKED_STATUS: Mapping[int, tuple[str, str]] = {
    401: ("key", "the key is refused"),
    402: ("credit", "there is no credit left"),
    403: ("key", "the key is not permitted to do this"),
    404: ("model", "the model or base_url is unknown there"),
    405: ("address", "base_url is not that of this API"),
    407: ("address", "a proxy wants credentials"),
    410: ("model", "the model or base_url is gone"),
    426: ("address", "base_url wants another protocol"),
    451: ("address", "it is not available here"),
    501: ("address", "the server does not have this API"),
}
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429, 499})

# Codes and types that concern the account, the key or the model, so every request would fail alike.
# OpenAI's four billing codes and `insufficient_quota` come as 429, Anthropic's spend limits too, and
# `organization_on_hold` as 400.
_BLOCKED_CODE = re.compile(
    r"quota|billing|credit_balance|(?:spend|usage|hard)_limit|on_hold|deactivated|access_terminated"
    r"|invalid_api_key|incorrect_api_key|authentication_error|permission_error|not_found_error"
    r"|(?:model|deployment)_(?:not_found|not_available|decommissioned)|unknown_model|invalid_model"
    r"|unsupported_country|cmek_key_(?:disabled|network_blocked)",
    re.IGNORECASE,
)
_ABOUT = (
    ("credit", re.compile(r"quota|billing|credit|limit", re.IGNORECASE)),
    ("model", re.compile(r"model|deployment|not_found", re.IGNORECASE)),
    ("key", re.compile(r"key|authentication|permission|on_hold|deactivated|terminated", re.IGNORECASE)),
)
_TRANSIENT_CODE = re.compile(
    r"rate_limit|overloaded|slow_down|server_error|api_error|timeout|unavailable", re.IGNORECASE
)
_NO_CREDIT = "credit balance is too low"  # Anthropic says it as 400 invalid_request_error, without a code
_SHORT_CODE = re.compile(r"[A-Za-z][A-Za-z_]{2,63}")  # no digits: a key or a phone number is not a code


def classify(service: str, error: BaseException, *, now: float | None = None) -> Failure:
    """What an exception of an SDK or of the transport means; one of ours is returned as it is.

    `now` (unix seconds) is what an HTTP date in Retry-After is compared with if the answer has no Date.
    """
    if isinstance(error, ServiceUnavailable | ServiceRejected | ProviderBlocked):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        headers = getattr(getattr(error, "response", None), "headers", None)
        return answered(service, status, headers or {}, getattr(error, "body", None), now=now)
    if isinstance(error, UnicodeDecodeError | RecursionError) or _is_a(error, "JSONDecodeError"):
        return about("answer", ServiceUnavailable(f"{service} gave an answer that is not JSON"))
    # The SDKs' own classes mislead (openai calls a dropped connection a timeout), so the causes decide.
    causes = [error, *(cause for cause in _causes(error) if not _is_a(cause, "CancelledError"))]
    if any(_is_a(cause, "TimeoutError") for cause in causes):
        return about("time", ServiceUnavailable(f"{service} did not answer in time"))
    unreachable = ServiceUnavailable(f"{service} cannot be reached ({type(causes[-1]).__name__})")
    return about("network", unreachable)


def answered(
    service: str, status: int, headers: Mapping[str, str], body: object, *, now: float | None = None
) -> Failure:
    """What an HTTP answer other than success means; `body` is decoded JSON, or whatever came instead."""
    codes = _codes(body)
    sentence = f"{service} answered {status}{f' ({codes[0]})' if codes else ''}"
    if status < 300:
        return about("answer", ServiceUnavailable(f"{sentence} with something unreadable"))
    if status < 400:
        return about("address", ProviderBlocked(service, f"{sentence}: base_url redirects, name its target"))
    if status == 403 and _flagged(body):
        return about("request", ServiceRejected(f"{sentence}: the text was flagged"))
    if status in _BLOCKED_STATUS:
        word, why = _BLOCKED_STATUS[status]
        return about(word, ProviderBlocked(service, f"{sentence}: {why}"))
    if status < 500 and any(_BLOCKED_CODE.search(code) for code in codes):
        return about(_subject(codes), ProviderBlocked(service, sentence))
    if status == 400 and _NO_CREDIT in _message(body).casefold():
        return about("credit", ProviderBlocked(service, f"{sentence}: there is no credit left"))
    if status >= 500 or status in _TRANSIENT_STATUS:
        word = "busy" if status == 429 else "down"
        return about(word, ServiceUnavailable(sentence, retry_after=retry_after(headers, now=now)))
    return about("request", ServiceRejected(sentence))


def about(word: str, failure: F) -> F:
    """The failure, with a word for what has to be mended (`ElaaomsError.about`)."""
    failure.about = word
    return failure


def reported(service: str, error: object) -> Failure:
    """What an error object inside a successful answer means; an unknown one is worth another try."""
    codes = _codes(error)
    sentence = f"{service} reported an error{f' ({codes[0]})' if codes else ''}"
    if any(_BLOCKED_CODE.search(code) for code in codes):
        return about(_subject(codes), ProviderBlocked(service, sentence))
    if any("invalid" in code or "policy" in code or "mismatch" in code for code in codes) and not any(
        _TRANSIENT_CODE.search(code) for code in codes
    ):
        return ServiceRejected(sentence)
    return ServiceUnavailable(sentence)


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds the other side asks us to wait: `retry-after-ms`, or Retry-After as seconds or HTTP date.

    Between 0 and `RETRY_AFTER_MAX_S`, 24 hours: a longer wish is cut to that, so that a broken header parks a job
    for a day at most. None if it does not say, or says it in no known form.
    """
    named = {name.lower(): value.strip() for name, value in headers.items()}
    asked = _number(named.get("retry-after-ms"), 0.001)
    if asked is None:
        asked = _number(named.get("retry-after"), 1.0)
    if asked is None and (until := _date(named.get("retry-after"))) is not None:
        sent = _date(named.get("date"))  # their clock against their clock
        asked = until - (sent if sent is not None else time.time() if now is None else now)
    return None if asked is None else min(max(asked, 0.0), RETRY_AFTER_MAX_S)


def _number(text: str | None, unit: float) -> float | None:
    if text is None or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{0,9})?", text, re.ASCII):
        return None
    value = float(text) * unit
    return value if math.isfinite(value) else None


def _date(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


# -- what an error carries --------------------------------------------------------------


def _codes(body: object) -> list[str]:
    """The provider's own short codes, the most telling first; prose and anything with digits is left out."""
    error = _inner(body)
    details = error.get("details")
    found = (
        details.get("error_code") if isinstance(details, Mapping) else None,
        error.get("code"),
        error.get("type"),
    )
    return [code for code in found if isinstance(code, str) and _SHORT_CODE.fullmatch(code)]


def _subject(codes: Sequence[str]) -> str:
    """What the provider's codes complain about."""
    return next((word for word, pattern in _ABOUT if any(pattern.search(code) for code in codes)), "")


def _message(body: object) -> str:
    message = _inner(body).get("message")
    return message if isinstance(message, str) else ""


def _flagged(body: object) -> bool:
    """Whether a gateway refused the text itself (OpenRouter says 403 with what it flagged)."""
    error = _inner(body)
    metadata = error.get("metadata")
    named = isinstance(metadata, Mapping) and "flagged_input" in metadata
    return named or any("moderation" in code or "content" in code for code in _codes(body))


def _inner(body: object) -> Mapping[str, Any]:
    """The error object, whether it came bare or under `error`."""
    if not isinstance(body, Mapping):
        return {}
    error = body.get("error", body)
    return error if isinstance(error, Mapping) else {}


def _is_a(error: BaseException, name: str) -> bool:
    return any(cls.__name__ == name for cls in type(error).__mro__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, the first cause last."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
