"""`elaaoms.toml` becomes a frozen Config, and the secrets beside it a Secrets that never shows them."""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
import stat
import textwrap
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from attrs import Attribute, asdict, evolve, field, fields, frozen, has
from cattrs import BaseValidationError, Converter

from elaaoms import redact, strict
from elaaoms.errors import ConfigError

T = TypeVar("T")
_Check = Callable[[Any, "Attribute[Any]", Any], None]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


# -- what a value may be ----------------------------------------------------------


@frozen
class _Between:
    """A number from `low` to `high`; the rendered comment says so as well."""

    low: float
    high: float

    @property
    def hint(self) -> str:
        return f"{_toml(self.low)} to {_toml(self.high)}"

    def __call__(self, _: Any, attribute: Attribute[Any], value: Any) -> None:
        if not self.low <= value <= self.high:  # written so that nan is refused
            raise ValueError(f"{attribute.name} must be {self.hint}, not {value}")


class _OneOf:
    """One of the known words."""

    def __init__(self, *known: str) -> None:
        self.known = known

    @property
    def hint(self) -> str:
        return ", ".join(map(_toml, self.known))

    def __call__(self, _: Any, attribute: Attribute[Any], value: Any) -> None:
        if value not in self.known:
            raise ValueError(f"{attribute.name} is {value!r}; known are {', '.join(self.known)}")


def _folder(_: Any, attribute: Attribute[Any], value: str) -> None:
    if not value.strip() or _CONTROL.search(value):
        raise ValueError(f"{attribute.name} must name a folder")
    if value.startswith("~"):
        raise ValueError(f"{attribute.name} must be the whole path; ~ is not expanded")


def _host(_: Any, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]{1,253}", value, re.ASCII):
        raise ValueError(f"{attribute.name} must be a host name or an IP address, not {value!r}")


def _public_url(_: Any, attribute: Attribute[Any], value: str) -> None:
    if not value:
        return
    try:
        url = urlsplit(value)
        host, _port = url.hostname or "", url.port
    except ValueError:
        raise ValueError(f"{attribute.name} is not an address") from None
    if _CONTROL.search(value) or " " in value or not host or url.scheme not in {"http", "https"}:
        raise ValueError(f"{attribute.name} must be like https://voice.example.com")
    if url.username is not None or "?" in value or "#" in value:
        raise ValueError(f"{attribute.name} must have no user, query or fragment")
    if url.scheme == "http" and not _is_loopback(host):
        raise ValueError(f"{attribute.name} must begin with https:// (http:// is for loopback only)")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origins(_: Any, attribute: Attribute[Any], value: Sequence[str]) -> None:
    for origin in value:
        if origin != "*" and not re.fullmatch(
            r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", origin, re.ASCII
        ):
            raise ValueError(
                f"{attribute.name} must each be like https://app.example.com, without a path, not {origin!r}"
            )


def _region(_: Any, attribute: Attribute[Any], value: str) -> None:
    if value and value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(
            f"{attribute.name} must be a country's two capital letters (ISO 3166, like US or GB), "
            f"not {value!r}"
        )


def _variables(_: Any, attribute: Attribute[Any], value: Sequence[str]) -> None:
    for name in value:
        if not re.fullmatch(r"[^\s{}]{1,200}", name) or _CONTROL.search(name):
            raise ValueError(
                f"{attribute.name} must each be the name of a dynamic variable, without braces or blanks, "
                f"not {name!r}"
            )


def _sentence(_: Any, attribute: Attribute[Any], value: str) -> None:
    if not 1 <= len(value) <= 220 or not value.strip():
        raise ValueError(f"{attribute.name} must be 1 to 220 characters, not {len(value.strip())}")
    if "{{" in value or "}}" in value:
        raise ValueError(f"{attribute.name} must not contain {{{{ or }}}}, ElevenLabs would expand them")
    if _CONTROL.search(value):
        raise ValueError(f"{attribute.name} must be one line without control characters")


def _delays(_: Any, attribute: Attribute[Any], value: Sequence[float]) -> None:
    if len(value) > 10:
        raise ValueError(f"{attribute.name} must have at most 10 entries, not {len(value)}")
    for delay in value:
        if not 0 < delay <= 604_800:
            raise ValueError(
                f"{attribute.name} must each be more than 0 and at most 604800 (a week), not {delay}"
            )


# -- the settings -------------------------------------------------------------------


def _setting(default: T, comment: str, check: _Check | None = None, **options: Any) -> T:
    """A field whose default, meaning, unit and range the rendered file shows."""
    setting: T = field(default=default, validator=check, metadata={"comment": comment}, **options)
    return setting


def _without_slash(url: str) -> str:
    return url.rstrip("/")


@frozen(kw_only=True)
class Server:
    """`[server]`: the two listeners and what they take."""

    host: str = _setting("127.0.0.1", "Address for ElevenLabs' requests; 0.0.0.0 listens on every one", _host)
    port: int = _setting(8000, "Port for ElevenLabs' requests; 0 picks any free one", _Between(0, 65535))
    admin_host: str = _setting(
        "127.0.0.1", "Address of the admin API; on loopback no proxy or tunnel exposes it", _host
    )
    admin_port: int = _setting(8001, "Port of the admin API; 0 picks any free one", _Between(0, 65535))
    public_url: str = _setting(
        "",
        "Where ElevenLabs reaches this server, like https://voice.example.com (http only for loopback); "
        "`elaaoms check` prints the webhook URLs from it",
        _public_url,
        converter=_without_slash,
    )
    cors_origins: tuple[str, ...] = _setting(
        (), "Web pages that may call this server, each like https://app.example.com; [] is none", _origins
    )
    signature_tolerance_s: int = _setting(
        1800, "How old the signature of a webhook may be, in seconds", _Between(1, 86_400)
    )
    max_transcript_mb: int = _setting(16, "Largest transcript taken, in MiB", _Between(1, 1024))
    max_audio_mb: int = _setting(256, "Largest recording taken, in MiB", _Between(1, 4096))
    head_timeout_s: float = _setting(
        10, "How long a request's head may take to arrive, in seconds", _Between(0.1, 3600)
    )
    body_timeout_s: float = _setting(
        60, "How long a request's body may take to arrive, in seconds", _Between(0.1, 3600)
    )
    live_timeout_ms: int = _setting(
        1500,
        "Deadline while the caller is on the phone (client-data and search-memory), in milliseconds; "
        "then the answer goes out without what is late",
        _Between(10, 30_000),
    )

    @property
    def admin_is_local(self) -> bool:
        """Whether only this machine reaches the admin listener."""
        return _is_loopback(self.admin_host)

    def __attrs_post_init__(self) -> None:
        hosts = {self.host, self.admin_host}
        if self.port == self.admin_port != 0 and (len(hosts) == 1 or hosts & {"0.0.0.0", "::"}):  # noqa: S104
            raise ValueError(f"port and admin_port must differ, both are {self.port}")


@frozen(kw_only=True)
class Identity:
    """`[identity]`: how a caller is told from others."""

    default_region: str = _setting(
        "",
        "Country of numbers without +, two letters (ISO 3166) like US; empty reads no such number",
        _region,
    )
    variables: tuple[str, ...] = _setting(
        (), 'Extra dynamic variables that may name a caller, like ["customer_id"]', _variables
    )


_PRICE = "Price of a million {} tokens in US dollars, for the ledger and the budget"
_MODELS = ("openai", "anthropic")
PROVIDERS = ("rules", *_MODELS)


def _fallback(_: Any, attribute: Attribute[Any], value: Sequence[str]) -> None:
    if unknown := sorted(set(value) - set(_MODELS)):
        raise ValueError(f"{attribute.name} names {unknown[0]!r}; known are {', '.join(_MODELS)}")
    if len(set(value)) < len(value):
        raise ValueError(f"{attribute.name} names a provider twice")


@frozen(kw_only=True)
class OpenAISettings:
    """`[llm.openai]`: OpenAI, or a server that speaks its protocol."""

    model: str = _setting("gpt-6-luna", "Model to ask")
    base_url: str = _setting(
        "",
        "Address of another server with OpenAI's protocol (Ollama, vLLM, llama.cpp), "
        "like http://127.0.0.1:11434/v1; empty is OpenAI's own",
        converter=_without_slash,
    )
    max_output_tokens: int = _setting(
        4000, "Longest answer, reasoning included, in tokens", _Between(256, 200_000)
    )
    effort: str = _setting(
        "", "Reasoning effort, for models that have it, like low; empty leaves it to the model"
    )
    price_in: float = _setting(0, _PRICE.format("input"), _Between(0, 10_000))
    price_cached: float = _setting(0, _PRICE.format("cached input"), _Between(0, 10_000))
    price_out: float = _setting(0, _PRICE.format("output"), _Between(0, 10_000))


@frozen(kw_only=True)
class AnthropicSettings:
    """`[llm.anthropic]`: Anthropic."""

    model: str = _setting("claude-haiku-5-5", "Model to ask")
    base_url: str = _setting(
        "",
        "Address of another server with Anthropic's protocol; empty is Anthropic's own",
        converter=_without_slash,
    )
    max_output_tokens: int = _setting(
        4000, "Longest answer, thinking included, in tokens", _Between(256, 200_000)
    )
    structured: Literal["format", "tool"] = _setting(
        "format",
        "How JSON is asked for; tool is for models without an output format",
        _OneOf("format", "tool"),
    )
    thinking: Literal["", "adaptive", "disabled"] = _setting(
        "", "Whether the model thinks first; empty leaves it to the model", _OneOf("", "adaptive", "disabled")
    )
    price_in: float = _setting(0, _PRICE.format("input"), _Between(0, 10_000))
    price_cached: float = _setting(0, _PRICE.format("cached input"), _Between(0, 10_000))
    price_out: float = _setting(0, _PRICE.format("output"), _Between(0, 10_000))


@frozen(kw_only=True)
class Llm:
    """`[llm]`: who turns transcripts into memories."""

    provider: str = _setting(
        "rules",
        "What reads the transcripts; rules needs no key, a language model understands far more",
        _OneOf(*PROVIDERS),
    )
    fallback: tuple[str, ...] = _setting(
        (), 'Providers that are asked in this order when the first one fails, like ["anthropic"]', _fallback
    )
    timeout_s: float = _setting(
        30, "Deadline for one request, from connecting to the last byte, in seconds", _Between(1, 600)
    )
    chunk_tokens: int = _setting(
        10_000, "Longest piece of a transcript in one request, in tokens", _Between(500, 200_000)
    )
    daily_budget_usd: float = _setting(
        0,
        "What the providers may cost a day (UTC), in US dollars; then jobs wait; 0 is no limit",
        _Between(0, 1_000_000),
    )
    openai: OpenAISettings = field(
        factory=OpenAISettings, metadata={"comment": "OpenAI, or a server that speaks its protocol."}
    )
    anthropic: AnthropicSettings = field(factory=AnthropicSettings, metadata={"comment": "Anthropic."})

    def __attrs_post_init__(self) -> None:
        if self.fallback and self.provider not in _MODELS:
            raise ValueError(f"fallback needs a provider that can fail, not {self.provider}")
        if self.provider in self.fallback:
            raise ValueError(f"fallback names {self.provider}, which is the provider already")


@frozen(kw_only=True)
class MemorySettings:
    """`[memory]`: thresholds on the calibrated scales."""

    relevance_threshold: float = _setting(
        0.7,
        "Relevance that a memory needs to be told in a call; below it all agents are searched",
        _Between(0, 1),
    )
    duplicate_threshold: float = _setting(
        0.85, "Similarity from which a new statement repeats a known memory", _Between(0, 1)
    )
    share_importance: int = _setting(
        8, "Importance from which a memory is shared with every agent", _Between(1, 10)
    )


def _service_url(_: Any, attribute: Attribute[Any], value: str) -> None:
    """An address of one's own network may do without TLS, the key travels there; any other may not."""
    if not value:
        return
    try:
        url = urlsplit(value)
        host, _port = url.hostname or "", url.port
    except ValueError:
        raise ValueError(f"{attribute.name} is not an address") from None
    if _CONTROL.search(value) or " " in value or not host or url.scheme not in {"http", "https"}:
        raise ValueError(f"{attribute.name} must be like http://127.0.0.1:8080")
    if url.username is not None or "?" in value or "#" in value or "%" in value:
        raise ValueError(f"{attribute.name} must have no user, query or fragment")
    if url.scheme == "http" and not _is_near(host):
        raise ValueError(
            f"{attribute.name} must begin with https:// (http:// is for loopback and private networks only)"
        )


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".internal", ".local", ".lan"))


@frozen(kw_only=True)
class EmbeddingSettings:
    """`[embeddings]`: who knows how near a question is to a memory."""

    provider: str = _setting(
        "builtin",
        "What compares meaning; builtin needs no service, openai is any server with OpenAI's protocol, which "
        "is sent every memory and every question (key: secrets/embeddings_api_key)",
        _OneOf("builtin", "openai"),
    )
    model: str = _setting("", "Model to ask; empty is text-embedding-3-small, which only OpenAI has")
    base_url: str = _setting(
        "",
        "Address of another server with OpenAI's protocol (Ollama, vLLM, llama.cpp), "
        "like http://127.0.0.1:11434/v1; empty is OpenAI's own",
        _service_url,
        converter=_without_slash,
    )
    dimensions: int = _setting(
        0,
        "Length of the vectors, for models that can shorten them; 0 leaves it to the model",
        _Between(0, 8192),
    )
    live_timeout_ms: int = _setting(
        150,
        "How long a search during a call waits for it, in milliseconds; then the built-in order stands",
        _Between(10, 5000),
    )

    def __attrs_post_init__(self) -> None:
        if self.provider != "builtin" and self.base_url and not self.model:
            raise ValueError("model must name one of the models of base_url")


@frozen(kw_only=True)
class OpenMemorySettings:
    """`[openmemory]`: the copy that other applications can use."""

    url: str = _setting(
        "",
        "Address of an OpenMemory server, like http://127.0.0.1:8080; empty delivers to none",
        _service_url,
        converter=_without_slash,
    )
    store: str = _setting(
        "all",
        "Which memories go there: all, shared (what every agent may know), or none (it is only searched)",
        _OneOf("all", "shared", "none"),
    )
    live_timeout_ms: int = _setting(
        300, "How long a search during a call waits for it, in milliseconds", _Between(10, 5000)
    )


@frozen(kw_only=True)
class Greeting:
    """`[greeting]`: what the agent says first."""

    override_first_message: bool = _setting(
        False, "Whether ElevenLabs is told to say the greeting (the agent must allow that override)"
    )
    override_language: bool = _setting(
        False, "Whether ElevenLabs is told the caller's language (the agent must allow that override)"
    )
    expires_days: int = _setting(90, "How long a prepared greeting is used, in days", _Between(1, 3650))
    writer: Literal["template", "model"] = _setting(
        "template",
        "Who words greetings; model asks the provider of [llm] after a call, checks every claim against the memories, "
        "and keeps the template's greeting where that fails",
        _OneOf("template", "model"),
    )
    stranger: str = _setting(
        "Hello! How can I help you today?",
        "Greeting for a caller without memories; 1 to 220 characters, no {{ or }}",
        _sentence,
    )


@frozen(kw_only=True)
class ElevenLabsSettings:
    """`[elevenlabs]`: the platform's API, which is asked when `elevenlabs_api_key` is given."""

    api_url: str = _setting(
        "https://api.elevenlabs.io",
        "Address of the API; with data residency like https://api.eu.residency.elevenlabs.io",
        _public_url,
        converter=_without_slash,
    )
    agent_profile_ttl_hours: int = _setting(
        24, "How long the name, company and language of an agent are used, in hours", _Between(1, 8760)
    )
    reconcile_minutes: int = _setting(
        60,
        "How often ElevenLabs is asked for finished calls that never arrived, in minutes; 0 is never",
        _Between(0, 1440),
    )
    agents: tuple[str, ...] = _setting(
        (), 'Agents whose missed calls are fetched, like ["agent_…"]; [] is every agent of the workspace'
    )

    def __attrs_post_init__(self) -> None:
        if not self.api_url:
            raise ValueError("api_url is empty; leave the line out for ElevenLabs' own")


@frozen(kw_only=True)
class Security:
    """`[security]`: whose word is taken."""

    unannounced: str = _setting(
        "deny",
        "Lookups by phone number in a call that client-data did not announce, on agents that are reachable "
        "from the web, where a visitor may claim any number",
        _OneOf("deny", "allow"),
    )


@frozen(kw_only=True)
class Worker:
    """`[worker]`: the jobs after a call."""

    concurrency: int = _setting(4, "Jobs that run at the same time", _Between(1, 64))
    retry_delays_s: tuple[float, ...] = _setting(
        (60, 300, 1800),
        "Waits before a job is tried again, in seconds; each more than 0, 0 to 10 entries",
        _delays,
    )
    keep_days: int = _setting(30, "How long finished jobs stay listed, in days", _Between(0, 3650))


_SECRET = _OneOf("mask", "drop", "keep")


def _patterns(_: Any, attribute: Attribute[Any], value: Sequence[str]) -> None:
    try:
        redact.Policy(patterns=tuple(value))
    except ConfigError as error:
        raise ValueError(f"{attribute.name}: {error}") from error


@frozen(kw_only=True)
class Privacy:
    """`[privacy]`: what is taken out of a call before it is read, stored or told."""

    card: str = _setting(
        "mask", "Payment card numbers, also when spoken; drop takes the whole sentence", _SECRET
    )
    ssn: str = _setting("mask", "Social security numbers", _SECRET)
    iban: str = _setting("mask", "Bank accounts (IBAN)", _SECRET)
    password: str = _setting("mask", "Passwords that are given as such", _SECRET)
    pin: str = _setting("mask", "PINs and one-time codes", _SECRET)
    cvv: str = _setting("mask", "Security codes of cards", _SECRET)
    patterns: tuple[str, ...] = _setting(
        (), 'Regular expressions of your own for what else is masked, like ["MEMBER-[0-9]{6}"]', _patterns
    )
    redact_payloads: bool = _setting(
        False,
        "Whether secrets are taken out of the archived transcript too, when its call is processed; "
        "it is no longer byte for byte what was received then, and recordings stay as they are",
    )

    erase_at_elevenlabs: bool = _setting(
        False,
        "Whether erasing a caller deletes the conversations at ElevenLabs too; needs a key for its API",
    )
    honour_spoken_requests: bool = _setting(
        False,
        "Whether a caller who asks in a call to be forgotten is erased at once; else the request is listed",
    )

    @property
    def policy(self) -> redact.Policy:
        """What the redactor goes by."""
        kinds = {setting.name for setting in fields(Privacy)} - {
            "redact_payloads",
            "erase_at_elevenlabs",
            "honour_spoken_requests",
        }
        return redact.Policy(**{name: getattr(self, name) for name in kinds})


@frozen(kw_only=True)
class Storage:
    """`[storage]`: the disk."""

    min_free_mb: int = _setting(
        256,
        "Free space below which calls are answered 503, so that ElevenLabs sends them again, in MiB",
        _Between(0, 1_048_576),
    )
    audio_min_free_mb: int = _setting(
        1024,
        "Free space below which recordings are answered 503, so that the rest is left to transcripts, in MiB",
        _Between(0, 1_048_576),
    )
    keep_audio_days: int = _setting(
        0, "How long recordings are kept, in days; 0 is for ever", _Between(0, 36_500)
    )
    keep_payload_days: int = _setting(
        0,
        "How long archived transcripts are kept once their memories are made, in days; 0 is for ever. A call "
        "without one can be neither read again nor recovered",
        _Between(0, 36_500),
    )
    keep_access_days: int = _setting(
        365,
        "How long the audit trail says who was shown which memories, in days. Who changed or removed what stays in "
        "it for ever",
        _Between(31, 36_500),
    )


@frozen(kw_only=True)
class Limits:
    """`[limits]`: how much at once; what is above gets 503 with Retry-After and comes again."""

    connections: int = _setting(1024, "Open connections of a listener", _Between(1, 65_536))
    bodies: int = _setting(512, "Calls that arrive at the same time", _Between(1, 65_536))
    bodies_mb: int = _setting(
        2048,
        "Room on the disk for what is arriving, whose signatures are not checked yet, in MiB",
        _Between(1, 1_048_576),
    )
    calls_per_hour: int = _setting(
        1000,
        "Calls of one caller in an hour; more flag the caller and wait for their turn, none is dropped; "
        "0 is no limit",
        _Between(0, 1_000_000),
    )
    caller_per_minute: int = _setting(
        6000,
        "Requests of one caller in a minute while on the phone (client-data and search-memory); what is above gets "
        "a stranger's answer or 429; 0 is no limit",
        _Between(0, 1_000_000),
    )
    agent_per_minute: int = _setting(
        60_000, "The same for all calls of one agent together", _Between(0, 10_000_000)
    )


def _alerts_url(instance: Any, attribute: Attribute[Any], value: str) -> None:
    _public_url(
        instance, attribute, value.partition("?")[0]
    )  # Slack and others put their secret into the path
    if _CONTROL.search(value) or " " in value or "#" in value:
        raise ValueError(f"{attribute.name} is not an address")


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _days(_: Any, attribute: Attribute[Any], value: Sequence[str]) -> None:
    if unknown := sorted(set(value) - set(_DAYS)):
        raise ValueError(f"{attribute.name} names {unknown[0]!r}; known are {', '.join(_DAYS)}")


def _span(_: Any, attribute: Attribute[Any], value: str) -> None:
    match = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", value, re.ASCII)
    start, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
    if not match or int(match[2]) > 59 or int(match[4]) > 59 or not start < end <= 1440:
        raise ValueError(f"{attribute.name} must be like 09:00-17:00, within one day, not {value!r}")


def _zone(_: Any, attribute: Attribute[Any], value: str) -> None:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(f"{attribute.name} must be like Europe/London, not {value!r}") from None


@frozen(kw_only=True)
class AlertSettings:
    """`[alerts]`: when the operator is told."""

    webhook_url: str = _setting(
        "",
        "Where alerts are posted, a Slack webhook for example; empty is nowhere. They are signed (X-Elaaoms-Signature) "
        "with the secret alerts_secret, or the first webhook_secret",
        _alerts_url,
    )
    quiet_minutes: int = _setting(
        60, "How long the same trouble is not told again, in minutes", _Between(1, 10_080)
    )
    failed_calls: int = _setting(
        3,
        "How many calls that could not be read within an hour are too many; 0 is never",
        _Between(0, 100_000),
    )
    disk_free_mb: int = _setting(
        1024, "Free space that is too little, in MiB; 0 is never", _Between(0, 1_048_576)
    )
    outbox_minutes: int = _setting(
        60, "How long a change may wait for OpenMemory, in minutes; 0 is never", _Between(0, 10_080)
    )
    silent_minutes: int = _setting(
        0, "How long no call may arrive in business hours, in minutes; 0 is never", _Between(0, 1440)
    )
    business_days: tuple[str, ...] = _setting(
        ("mon", "tue", "wed", "thu", "fri"), "Days on which calls are expected", _days
    )
    business_hours: str = _setting("09:00-17:00", "Hours in which calls are expected", _span)
    timezone: str = _setting("UTC", "Time zone of the business hours, like Europe/London", _zone)

    @property
    def minutes(self) -> tuple[int, int]:
        """When the business hours begin and end, as minutes of the day."""
        first, second = (time.split(":") for time in self.business_hours.split("-"))
        return int(first[0]) * 60 + int(first[1]), int(second[0]) * 60 + int(second[1])

    @property
    def weekdays(self) -> frozenset[int]:
        """The business days; 0 is Monday."""
        return frozenset(map(_DAYS.index, self.business_days))


_LEVEL = _OneOf("debug", "info", "warning", "error")
_OWN_LEVEL = _OneOf("", "debug", "info", "warning", "error")


@frozen(kw_only=True)
class Levels:
    """`[logging.levels]`: parts of the program with a level of their own."""

    webhooks: str = _setting("", "One line for each request, and what was refused", _OWN_LEVEL)
    jobs: str = _setting("", "One line for each job, and what calls taught", _OWN_LEVEL)
    llm: str = _setting("", "Language models", _OWN_LEVEL)
    openmemory: str = _setting("", "The copy in OpenMemory", _OWN_LEVEL)
    errors: str = _setting("warning", "Least level of the file errors.log", _LEVEL)


@frozen(kw_only=True)
class Logging:
    """`[logging]`: what is written to stderr, and to files."""

    level: str = _setting("info", "Least level that is written", _LEVEL)
    format: str = _setting("auto", "How lines look; auto suits where they go", _OneOf("auto", "text", "json"))
    file: bool = _setting(
        False, "Whether lines are also written as JSON to logs/elaaoms.log and logs/errors.log in data_dir"
    )
    file_mb: int = _setting(10, "Largest log file, in MiB; then it begins anew", _Between(1, 10_240))
    files: int = _setting(5, "Older log files that are kept", _Between(1, 1000))
    levels: Levels = field(
        factory=Levels, metadata={"comment": 'Levels of parts of the program; "" is that of [logging].'}
    )

    @property
    def areas(self) -> Mapping[str, str]:
        """The areas with a level of their own."""
        return {name: level for name, level in asdict(self.levels).items() if level and name != "errors"}


@frozen(kw_only=True)
class Config:
    """Every setting, without secrets; `Config()` is all defaults, relative to the working directory.

    A value out of range raises ValueError here and ConfigError in `load`.
    """

    data_dir: str = _setting(
        "data", "Folder for calls, jobs and memories; relative to the folder of this file", _folder
    )
    server: Server = field(factory=Server, metadata={"comment": "The two listeners and what they take."})
    identity: Identity = field(factory=Identity, metadata={"comment": "How a caller is told from others."})
    llm: Llm = field(factory=Llm, metadata={"comment": "Who turns transcripts into memories."})
    memory: MemorySettings = field(
        factory=MemorySettings, metadata={"comment": "When a memory is told, repeated or shared."}
    )
    embeddings: EmbeddingSettings = field(
        factory=EmbeddingSettings, metadata={"comment": "Who knows how near a question is to a memory."}
    )
    openmemory: OpenMemorySettings = field(
        factory=OpenMemorySettings, metadata={"comment": "A copy of the memories in OpenMemory."}
    )
    greeting: Greeting = field(factory=Greeting, metadata={"comment": "What the agent says first."})
    elevenlabs: ElevenLabsSettings = field(
        factory=ElevenLabsSettings, metadata={"comment": "The platform's API, asked when there is a key."}
    )
    worker: Worker = field(factory=Worker, metadata={"comment": "The jobs after a call."})
    security: Security = field(factory=Security, metadata={"comment": "Whose word is taken."})
    privacy: Privacy = field(
        factory=Privacy,
        metadata={"comment": "Secrets in calls; the archived payload stays as it was received."},
    )
    storage: Storage = field(factory=Storage, metadata={"comment": "The disk."})
    limits: Limits = field(
        factory=Limits, metadata={"comment": "How much at once; what is above is asked to come again."}
    )
    alerts: AlertSettings = field(
        factory=AlertSettings, metadata={"comment": "What the operator is told by a webhook of their own."}
    )
    logging: Logging = field(factory=Logging, metadata={"comment": "What is written to stderr."})
    folder: Path = field(factory=Path, eq=False)

    def __attrs_post_init__(self) -> None:
        if self.greeting.writer == "model" and self.llm.provider == "rules":
            raise ValueError("greeting.writer is model, but llm.provider is rules, which words no greetings")

    @property
    def data(self) -> Path:
        """The state directory as an absolute path."""
        return (self.folder / self.data_dir).absolute()


# -- reading and rendering ------------------------------------------------------------


def load(path: Path) -> Config:
    """Read the file, or raise ConfigError with every problem on a line of its own."""
    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; `elaaoms init` writes one") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise ConfigError(f"{path} is not TOML: {error}") from error
    found: list[str] = []
    settings = _sift(table, _known(), "", found)
    try:
        config = _converter().structure(settings, Config)
    except BaseValidationError as error:
        found += (re.sub(r" @ \$\.?(\S*)$", r" @ \1", line) for line in strict.problems(error))
    if found:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in found))
    return evolve(config, folder=path.parent)


def render() -> str:
    """The whole `elaaoms.toml` with every setting at its default, commented."""
    lines = [
        "# Settings of elaaoms. Every setting is shown at its default; a line left out means just that.",
        "# Secrets do not stand here but in secrets/ beside this file (`elaaoms init` makes them).",
    ]
    default = Config()
    return "\n".join([*lines, *_rendered(default), *_tables(default, "")]) + "\n"


def _tables(section: Any, path: str) -> list[str]:
    lines: list[str] = []
    for attribute in fields(type(section)):
        table = getattr(section, attribute.name)
        if has(type(table)):
            name = f"{path}{attribute.name}"
            lines += ["", "", f"# {attribute.metadata['comment']}", f"[{name}]", *_rendered(table)[1:]]
            lines += _tables(table, f"{name}.")
    return lines


def _rendered(section: Any) -> list[str]:
    lines: list[str] = []
    for attribute in fields(type(section)):
        value = getattr(section, attribute.name)
        if "comment" not in attribute.metadata or has(type(value)):
            continue
        hint = getattr(attribute.validator, "hint", "")
        comment = attribute.metadata["comment"] + (f" ({hint})." if hint else ".")
        lines += ["", *textwrap.wrap(comment, 100, initial_indent="# ", subsequent_indent="# ")]
        lines.append(f"{attribute.name} = {_toml(value)}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1_000_000 else str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _known() -> dict[str, Any]:
    """Every name the file may use: a dict for a table, None for a setting."""

    def names(section: Any) -> dict[str, Any]:
        values = {a.name: getattr(section, a.name) for a in fields(type(section)) if "comment" in a.metadata}
        return {name: names(value) if has(type(value)) else None for name, value in values.items()}

    return names(Config())


def _sift(table: Mapping[str, Any], known: Mapping[str, Any], path: str, found: list[str]) -> dict[str, Any]:
    """What `Config` has a field for; unknown names are judged here, into `found`."""
    kept = {}
    for key, value in table.items():
        where = f"{path}.{key}" if path else key
        if key not in known:
            found.append(_unknown(key, known) + (f" @ {path}" if path else ""))
        elif known[key] is not None:
            if not isinstance(value, dict):
                found.append(f"expected a table, got {strict.named(value)} @ {where}")
            elif inner := _sift(value, known[key], where, found):
                kept[key] = inner
        else:
            kept[key] = value
    return kept


def _unknown(key: str, known: Mapping[str, Any]) -> str:
    if key in NAMES or key == "api_key":
        return f"unknown key {key!r}; secrets do not stand in this file, put it into secrets/"
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown key {key!r}" + (f", did you mean {close[0]}?" if close else "")


def _integer(value: Any, _: Any) -> int:
    if type(value) is not int:  # unlike JSON, TOML tells 2 from 2.0
        raise TypeError(f"expected an integer, got {strict.named(value)}")
    return value


def _converter() -> Converter:
    converter = strict.converter(forbid_extra_keys=True)
    converter.register_structure_hook(int, _integer)
    return converter


# -- secrets ------------------------------------------------------------------------------


NAMES = (
    "webhook_secret",
    "tool_token",
    "admin_token",
    "elevenlabs_api_key",
    "openai_api_key",
    "anthropic_api_key",
    "openmemory_api_key",
    "embeddings_api_key",
    "ngrok_authtoken",
    "alerts_secret",
)
MADE_BY_INIT = ("webhook_secret", "tool_token", "admin_token")

_PLACEHOLDER = re.compile(
    r"(wsec_|sk-|sk_)?(<.*>|\$?\{.*\}|x+|\.+|\*+|…|(change|replace)[-_ ]?(me|this|it)\W*\d*"
    r"|your[-_ ][a-z_ -]+|todo|placeholder)",
    re.IGNORECASE,
)
_MAX_BYTES = 65_536


@frozen(repr=False, eq=False)
class Secrets:
    """What must not be seen: name → its values (several only for webhook_secret); shown masked.

    `complaints` are sentences about secrets that are used but weak.
    """

    _values: Mapping[str, tuple[str, ...]]
    _complaints: tuple[str, ...] = ()

    def __repr__(self) -> str:
        def masked(name: str) -> str:
            count = len(self._values.get(name, ()))
            if not count:
                return "<not set>"
            return "<set>" if name != "webhook_secret" else f"<{count} secret{'s' if count > 1 else ''}>"

        return f"Secrets({', '.join(f'{name}={masked(name)}' for name in NAMES)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are not copied or pickled")

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every secret a webhook may be signed with, never empty; ConfigError without one."""
        self.require("webhook_secret")
        return self._values["webhook_secret"]

    @property
    def tool_token(self) -> str:
        """The token of the two unsigned webhooks; ConfigError without one."""
        self.require("tool_token")
        return self._values["tool_token"][0]

    @property
    def admin_token(self) -> str:
        """The token of the admin listener; ConfigError without one."""
        self.require("admin_token")
        return self._values["admin_token"][0]

    def replaced(self, changes: Mapping[str, str]) -> Secrets:
        """The same with other values for some names."""
        return Secrets({**self._values, **{name: (value,) for name, value in changes.items()}})

    def get(self, name: str) -> str | None:
        """The secret, None when it is not given; of several webhook secrets the first."""
        if name not in NAMES:
            raise ValueError(f"there is no secret named {name!r}")
        return next(iter(self._values.get(name, ())), None)

    def require(self, *names: str) -> None:
        """Raise one ConfigError that lists every one of `names` that is missing and how to give it."""
        missing = [f"{name} is missing: {_ways(name)}" for name in names if self.get(name) is None]
        if missing:
            raise ConfigError("\n".join(missing))

    def warnings(self) -> list[str]:
        """Sentences about secrets that are used although they are short, shared or readable by others."""
        return list(self._complaints)


def load_secrets(folder: Path, environ: Mapping[str, str]) -> Secrets:
    """Look every secret up; `folder` is that of elaaoms.toml, a relative `…_FILE` is relative to the process.

    ConfigError names every place where a secret was found but is unusable, never what stands there.
    """
    values: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    complaints: list[str] = []
    for name in NAMES:
        try:
            found = _look_up(name, folder, environ, complaints)
            if found is not None:
                values[name] = _usable(name, *found)
        except ConfigError as error:
            problems.append(str(error))
            continue
        if any(len(value) < 16 for value in values.get(name, ())):
            complaints.append(f"{name} is shorter than 16 characters and may be guessed")
    if problems:
        raise ConfigError("\n".join(problems))
    if "tool_token" in values and values["tool_token"] == values.get("admin_token"):
        complaints.append("tool_token and admin_token are the same; who may search may then administer")
    return Secrets(values, tuple(complaints))


def _ways(name: str) -> str:
    start = "`elaaoms init` writes one; or set" if name in MADE_BY_INIT else "set"
    variable = f"ELAAOMS_{name.upper()}"
    return (
        f"{start} {variable}_FILE, {variable}, or secrets/{name} beside elaaoms.toml, "
        f"or LoadCredential={name} in the systemd unit"
    )


def _look_up(
    name: str, folder: Path, environ: Mapping[str, str], complaints: list[str]
) -> tuple[str, str] | None:
    """The place and the raw text of a secret, from the first place that has it."""
    variable = f"ELAAOMS_{name.upper()}"
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(directory) / name
        text = _text(name, path)
        if text is not None:
            return str(path), text
    if (file := environ.get(f"{variable}_FILE")) is not None:
        if not file.strip():
            raise ConfigError(f"{name}: {variable}_FILE is empty; name a file or unset it")
        place = f"{file} (named by {variable}_FILE)"
        text = _text(name, Path(file))
        if text is None:
            raise ConfigError(f"{name}: {place} does not exist")
        return place, text
    if (text := environ.get(variable)) is not None:
        return variable, text
    path = folder / "secrets" / name
    if directory and not os.access(path.parent, os.X_OK):
        return None  # the service manager read for us what is there, as root; we may not
    text = _text(name, path)
    if text is None:
        return None
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        complaints.append(f"{path} can be read by others than its owner; chmod 600 mends it")
    return str(path), text


def _text(name: str, path: Path) -> str | None:
    """What stands in the file, None when there is no such file (a dangling link is an error)."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigError(f"{name}: {path} is a link to a file that does not exist") from None
        return None
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{name}: {str(path)!r} is not the name of a file") from None
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"{name}: {path} is too large for a secret")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: {path} is not UTF-8 text") from None


def _usable(name: str, place: str, text: str) -> tuple[str, ...]:
    """The values in `text`; ConfigError names the place, never the value."""
    if not text.strip():
        raise ConfigError(f"{name}: {place} is empty; an empty secret would protect nothing")
    if name == "webhook_secret":
        values = tuple(dict.fromkeys(line.strip() for line in re.split(r"\r?\n", text) if line.strip()))
    else:
        values = (text.rstrip("\r\n"),)
    for value in values:
        if _PLACEHOLDER.fullmatch(value.strip()):
            raise ConfigError(f"{name}: {place} is a placeholder; put the real secret there")
        if name == "webhook_secret":
            if _CONTROL.search(value) or re.search(r"[\ud800-\udfff]", value):
                raise ConfigError(f"{name}: {place} contains control characters or is not UTF-8")
        elif not re.fullmatch(r"[!-~]+", value):  # it travels in a header
            raise ConfigError(
                f"{name}: {place} must be printable ASCII without blanks, on one line, to travel in a header"
            )
    return values
