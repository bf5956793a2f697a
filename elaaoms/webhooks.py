"""ElevenLabs' wire protocol without I/O: verify signatures, parse events, build the answers it expects."""

from __future__ import annotations

import codecs
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from attrs import evolve, field, frozen

from elaaoms import strict
from elaaoms.errors import ElaaomsError, Unreadable
from elaaoms.identity import Hints

TOLERANCE_S = 1800  # how old a signature may be; ElevenLabs' own SDK uses 30 minutes
FUTURE_S = 300  # how far a signature's clock may be ahead of ours

TRANSCRIPTION = "post_call_transcription"
AUDIO = "post_call_audio"
FAILURE = "call_initiation_failure"

_CONVERSATION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_SIGNATURE_PART = re.compile(r"\s*(t|v0)=([0-9a-fA-F]{1,128})\s*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_BLANKS = re.compile(r"\s{3,}")
_BRACES = re.compile(r"\{{2,}|\}{2,}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


# -- signatures ---------------------------------------------------------------


class InvalidSignature(ElaaomsError):
    """The request does not carry a timely signature made with one of our secrets."""


class Verifier:
    """Check one `ElevenLabs-Signature` over a body that arrives in pieces.

    The header is `t=<unix seconds>,v0=<hex>` and the digest HMAC-SHA256 over `"{t}." + body`
    (elevenlabs.io/docs/eleven-api/resources/webhooks). Any `v0` made with any of the secrets is
    accepted, so that secrets can be rotated. Raises InvalidSignature at once for a header that
    cannot become valid, whatever the body.
    """

    def __init__(
        self, secrets: Sequence[str], header: str, *, now: float, tolerance_s: float = TOLERANCE_S
    ) -> None:
        if not secrets or not all(secret.strip() for secret in secrets):
            raise ValueError("a webhook secret is empty")
        if not header:
            raise InvalidSignature("the ElevenLabs-Signature header is missing")
        if len(header) > 1024:
            raise InvalidSignature("the ElevenLabs-Signature header is too long")
        timestamp = ""
        self._digests: list[bytes] = []
        for part in header.split(","):
            match = _SIGNATURE_PART.fullmatch(part)
            if match is None:
                continue  # schemes of the future (v1=…) stand beside the one we know
            if match[1] == "v0":
                self._digests.append(match[2].lower().encode())
            elif timestamp:
                raise InvalidSignature("the signature names two timestamps")
            else:
                timestamp = match[2]
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise InvalidSignature("the signature has no timestamp")
        if not self._digests:
            raise InvalidSignature("the signature has no v0 digest")
        if not now - tolerance_s <= int(timestamp) <= now + FUTURE_S:
            raise InvalidSignature("the signature's timestamp is outside the tolerance")
        self._secrets = secrets
        self._begin = f"{timestamp}.".encode()
        self._macs: list[hmac.HMAC] = []

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the raw body."""
        if not self._macs:
            self._macs = [hmac.new(secret.encode(), self._begin, hashlib.sha256) for secret in self._secrets]
        for mac in self._macs:
            mac.update(chunk)

    def finish(self) -> None:
        """Accept the body as complete, or raise InvalidSignature."""
        self.update(b"")
        self._compare([mac.hexdigest() for mac in self._macs])

    def check(self, body: bytes) -> None:
        """`update` and `finish` for a body that is here as a whole."""
        signed = self._begin + body
        self._compare(
            [hmac.digest(secret.encode(), signed, hashlib.sha256).hex() for secret in self._secrets]
        )

    def _compare(self, made: Sequence[str]) -> None:
        matched = False
        for one in made:
            expected = one.encode()
            for digest in self._digests:
                matched |= hmac.compare_digest(expected, digest)
        if not matched:
            raise InvalidSignature("the signature does not match the body")


def sign(secret: str, body: bytes, *, now: float) -> str:
    """The `ElevenLabs-Signature` header that ElevenLabs would send with `body`."""
    timestamp = str(int(now))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v0={digest}"


# -- text that crosses the border -----------------------------------------------


def clean(text: str) -> str:
    """Text from outside without lone surrogates and control characters (tab and newline stay)."""
    if text.isprintable():  # what either pattern finds is not printable; nearly every text is
        return text
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def spoken(text: str) -> str:
    """Text for ElevenLabs: on one line, no control characters, nothing its templates would expand."""
    return " ".join(_BRACES.sub(lambda braces: braces[0][0], clean(text)).split())


# -- events ---------------------------------------------------------------------


@frozen(kw_only=True)
class Turn:
    """One turn of the conversation; `text` is empty for silence and for turns that only call tools."""

    role: Literal["user", "agent"]
    text: str
    seconds: float = 0.0


@frozen(kw_only=True)
class Collected:
    """One result of ElevenLabs' data collection: the label, and the value as text."""

    label: str
    value: str


@frozen(kw_only=True)
class Conversation:
    """A finished call as ElevenLabs reports it; times are unix seconds, `language` is like "en".

    `turns` keeps every turn of the transcript, so that an index into it is an index into theirs.
    `injected` holds what elaaoms itself brought into the call (dynamic variables, tool results):
    it comes back with the transcript and is no evidence of anything. `agent_role` and `agent_company` are
    not in what arrives: the agent's profile tells them.
    """

    conversation_id: str
    agent_id: str = ""
    agent_name: str = ""
    agent_role: str = ""
    agent_company: str = ""
    started_at: float = 0.0
    duration_s: float = 0.0
    language: str = ""
    timezone: str = ""
    channel: str = ""
    direction: str = ""
    hints: Hints = field(factory=Hints)
    variables: Mapping[str, str] = field(factory=dict)
    turns: tuple[Turn, ...] = ()
    summary: str = ""
    title: str = ""
    collected: tuple[Collected, ...] = ()
    injected: tuple[str, ...] = ()

    @property
    def called_at(self) -> datetime | None:
        """When the call began, in the caller's zone where it is known, else in UTC."""
        if not self.started_at:
            return None
        try:
            zone: tzinfo = ZoneInfo(self.timezone) if self.timezone else UTC
        except (ZoneInfoNotFoundError, ValueError, OSError):
            zone = UTC
        return datetime.fromtimestamp(self.started_at, zone)


@frozen(kw_only=True)
class Event:
    """What every event has: its type, the conversation it is about and when it was made (unix seconds).

    `conversation` is there for transcriptions only; `failure` is the reason of a call that never began.
    """

    type: str
    conversation_id: str
    agent_id: str = ""
    event_timestamp: float = 0.0
    conversation: Conversation | None = None
    failure: str = ""


@frozen
class _Part:
    text: str | None = None


@frozen
class _Multivoice:
    parts: tuple[_Part, ...] | None = None


@frozen
class _ToolResult:
    result_value: str | None = None


@frozen
class _Turn:
    role: str | None = None
    message: str | None = None
    multivoice_message: _Multivoice | None = None
    tool_results: tuple[_ToolResult, ...] | None = None
    time_in_call_secs: float | None = None


@frozen
class _PhoneCall:
    type: str | None = None
    direction: str | None = None
    agent_number: str | None = None
    external_number: str | None = None


@frozen
class _Sms:
    direction: str | None = None
    sms_user_phone_number: str | None = None
    agent_phone_number: str | None = None


@frozen
class _Whatsapp:
    direction: str | None = None
    whatsapp_user_id: str | None = None


@frozen
class _Metadata:
    start_time_unix_secs: float | None = None
    call_duration_secs: float | None = None
    phone_call: _PhoneCall | None = None
    sms: _Sms | None = None
    whatsapp: _Whatsapp | None = None
    main_language: str | None = None
    timezone: str | None = None


@frozen
class _Analysis:
    transcript_summary: str | None = None
    call_summary_title: str | None = None
    data_collection_results: dict[str, Any] | None = None


@frozen
class _Initiation:
    user_id: str | None = None
    dynamic_variables: dict[str, Any] | None = None
    conversation_config_override: dict[str, Any] | None = None


@frozen
class _Data:
    conversation_id: str
    agent_id: str | None = None
    agent_name: str | None = None
    user_id: str | None = None
    transcript: tuple[_Turn, ...] | None = None
    metadata: _Metadata | None = None
    analysis: _Analysis | None = None
    conversation_initiation_client_data: _Initiation | None = None


@frozen
class _Body:
    type: str
    data: _Data
    event_timestamp: int | float | None = None


_CONVERTER = strict.converter(forbid_extra_keys=False)
_BODY = msgspec.json.Decoder(_Body)


def is_conversation_id(value: str) -> bool:
    """Whether `value` may be used as a file name: 1 to 128 letters, digits, `_` and `-`."""
    return _CONVERSATION_ID.fullmatch(value) is not None


def parse_json(body: bytes, *, unique_keys: bool = True) -> Any:
    """Parse a body as strict JSON in UTF-8; Unreadable says what is wrong and where."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise ValueError(f"the key {clean(twice)!r} appears twice")
        return found

    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"the body is not UTF-8 (byte {error.start})") from error
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique if unique_keys else None)
    except json.JSONDecodeError as error:
        raise Unreadable(f"the body is not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise Unreadable("the body is nested too deeply") from error
    except ValueError as error:
        raise Unreadable(f"the body is not JSON: {clean(str(error))[:200]}") from error


def parse_event(body: bytes, *, whole: bool = True) -> Event:
    """Parse a post-call event; Unreadable when it is not one or its conversation id could not be a file name.

    Unknown fields and unknown types are fine, every field but the ids may be missing; what is there
    must have the documented type. Everything is checked, but without `whole` what was said is left out:
    who acknowledges a call needs to know whose it is, not what it is about.
    """
    if (event := _transcription(body, whole)) is not None:
        return event
    raw = _decoded(body)
    event = _envelope(raw)
    data: dict[str, Any] = raw["data"]
    if event.type == FAILURE:
        return evolve(event, failure=clean(str(data.get("failure_reason") or "unknown"))[:200])
    if event.type == TRANSCRIPTION or isinstance(data.get("transcript"), list):
        return evolve(event, conversation=parse_conversation(data, whole=whole))
    return event


def _transcription(body: bytes, whole: bool) -> Event | None:
    """The event in a well-formed transcription, read in one go; None for what needs a closer look."""
    try:
        found = _BODY.decode(body.decode("utf-8"))  # what msgspec skips, it does not decode
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None
    data = found.data
    if found.type != TRANSCRIPTION or not is_conversation_id(data.conversation_id):
        return None
    return Event(
        type=TRANSCRIPTION,
        conversation_id=data.conversation_id,
        agent_id=clean(data.agent_id or "")[:200],
        event_timestamp=_finite(found.event_timestamp),
        conversation=_conversation(data, whole=whole),
    )


def _decoded(body: bytes) -> Any:
    """The value of a JSON body; msgspec reads it three times as fast, and what it refuses gets its reason."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return parse_json(body, unique_keys=False)


def _envelope(raw: Any) -> Event:
    if not isinstance(raw, dict):
        raise Unreadable("expected an object @ $")
    kind = raw.get("type")
    if not isinstance(kind, str) or not clean(kind).strip():
        raise Unreadable("expected the name of an event type @ $.type")
    data = raw.get("data")
    if not isinstance(data, dict):
        raise Unreadable("expected an object @ $.data")
    timestamp = raw.get("event_timestamp")
    if timestamp is not None and (isinstance(timestamp, bool) or not isinstance(timestamp, int | float)):
        raise Unreadable("expected unix seconds @ $.event_timestamp")
    conversation_id = data.get("conversation_id")
    if not isinstance(conversation_id, str) or not is_conversation_id(conversation_id):
        raise Unreadable("expected 1 to 128 letters, digits, _ or - @ $.data.conversation_id")
    agent_id = data.get("agent_id")
    if agent_id is not None and not isinstance(agent_id, str):
        raise Unreadable("expected a string @ $.data.agent_id")
    return Event(
        type=clean(kind)[:200],
        conversation_id=conversation_id,
        agent_id=clean(agent_id or "")[:200],
        event_timestamp=_finite(timestamp),
    )


def parse_conversation(raw: Mapping[str, Any], *, whole: bool = True) -> Conversation:
    """Parse the `data` of a transcription, which is also what `GET /v1/convai/conversations/{id}` answers."""
    return _conversation(_structured(dict(raw)), whole=whole)


def _conversation(data: _Data, *, whole: bool) -> Conversation:
    transcript = (data.transcript or ()) if whole else ()
    metadata = data.metadata or _Metadata()
    analysis = data.analysis or _Analysis()
    initiation = data.conversation_initiation_client_data or _Initiation()
    phone, sms = metadata.phone_call or _PhoneCall(), metadata.sms or _Sms()
    whatsapp = metadata.whatsapp or _Whatsapp()
    variables = {
        clean(key): clean(_text(value)) for key, value in (initiation.dynamic_variables or {}).items()
    }
    turns = tuple(
        Turn(
            role="user" if turn.role == "user" else "agent",
            text=_said(turn),
            seconds=_finite(turn.time_in_call_secs),
        )
        for turn in transcript
    )
    results = (result.result_value for turn in transcript for result in turn.tool_results or ())
    ours = (value for key, value in variables.items() if not key.startswith("system__"))
    return Conversation(
        conversation_id=data.conversation_id,
        agent_id=clean(data.agent_id or "")[:200],
        agent_name=clean(data.agent_name or "")[:200],
        started_at=_finite(metadata.start_time_unix_secs),
        duration_s=_finite(metadata.call_duration_secs),
        language=_language(_spoken_language(initiation) or metadata.main_language or ""),
        timezone=clean(metadata.timezone or variables.get("system__timezone", "")),
        channel=clean(phone.type or ("sms" if metadata.sms else "whatsapp" if metadata.whatsapp else "web"))[
            :40
        ],
        direction=clean(phone.direction or sms.direction or whatsapp.direction or "")[:40],
        hints=Hints(
            user_ids=tuple(clean(value) for value in (data.user_id, initiation.user_id) if value),
            external_number=clean(phone.external_number or ""),
            sms_number=clean(sms.sms_user_phone_number or ""),
            whatsapp_id=clean(whatsapp.whatsapp_user_id or ""),
            caller_id=variables.get("system__caller_id", ""),
            called_number=variables.get("system__called_number", ""),
            agent_number=clean(phone.agent_number or sms.agent_phone_number or ""),
        ),
        variables=variables,
        turns=turns,
        summary=clean(analysis.transcript_summary or ""),
        title=clean(analysis.call_summary_title or ""),
        collected=tuple(_collected(analysis.data_collection_results or {})) if whole else (),
        injected=tuple(clean(text) for text in (*ours, *results) if text) if whole else (),
    )


def _structured(raw: dict[str, Any]) -> _Data:
    """The data of an event; msgspec is as strict as our converter and five times as fast, which names problems."""
    try:
        return msgspec.convert(raw, _Data)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError):
        return strict.structure(_CONVERTER, raw, _Data, "$.data")


def _finite(value: float | None) -> float:
    """A time or duration as a float that SQLite and datetime can hold; nonsense is 0."""
    return float(value) if value is not None and 0 <= value < 253402300800 else 0.0


def _text(value: Any) -> str:
    """A dynamic variable as text; null is empty, `true` stays `true`."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else json.dumps(value)
    except RecursionError:
        raise Unreadable("the body is nested too deeply") from None


def _said(turn: _Turn) -> str:
    text = turn.message
    if not text and turn.multivoice_message is not None:
        text = " ".join(part.text for part in turn.multivoice_message.parts or () if part.text)
    text = clean(text or "")
    if not text.isprintable() or "   " in text:  # of all blanks, only the space is printable
        text = _BLANKS.sub(" ", text)
    text = text.strip()
    return "" if text.strip(".… ") == "" else text  # "..." is how ElevenLabs writes silence


def _spoken_language(initiation: _Initiation) -> str:
    agent = (initiation.conversation_config_override or {}).get("agent")
    language = agent.get("language") if isinstance(agent, dict) else None
    return language if isinstance(language, str) else ""


def _language(code: str) -> str:
    """The language without its country; most codes have two letters, a few (`fil`) three."""
    language = clean(code).strip().lower().replace("_", "-").partition("-")[0]
    return language if len(language) <= 3 else language[:2]


def _collected(results: Mapping[str, Any]) -> list[Collected]:
    found = []
    for label, result in results.items():
        value = result.get("value") if isinstance(result, dict) else None
        if value is None or isinstance(value, dict | list) or str(value).strip() == "":
            continue
        found.append(Collected(label=clean(label)[:80], value=clean(_text(value))[:300]))
    return found


# -- reading an event that is too large to hold -------------------------------------


class Scanner:
    """Read the envelope of a JSON event that arrives in pieces, in memory bounded by one piece.

    `text` receives the string at `data.<capture>` as it comes by, with escapes resolved. After the
    last piece, `finish()` gives the envelope's fields. Meant for audio events, whose base64 text may
    have 150 MB. It accepts what a JSON parser accepts, except that nesting and the length of ids have
    a limit, and that the captured string may appear only once.
    """

    _BLANK = re.compile(rb"[ \t\n\r]+")
    _SCALAR_PART = re.compile(rb"[-+.0-9A-Za-z]+")
    _SCALAR = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
    _STRING_END = re.compile(rb'["\\\x00-\x1f]')
    _ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{0,4})?')
    _WANTED = frozenset({("type",), ("event_timestamp",), ("data", "conversation_id"), ("data", "agent_id")})
    _DEEPEST = 512
    _LONGEST = 65536  # bytes of a key, an id or a number

    def __init__(self, capture: str = "full_audio", text: Callable[[bytes], None] | None = None) -> None:
        self._capture = ("data", capture)
        self._text = text
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._stack = bytearray()  # the open brackets
        self._path: list[str] = []  # the keys on the two outer levels; deeper ones are of no interest
        self._expected: Literal["value", "value or ]", "key", "key or }", "colon", "comma", "end"] = "value"
        self._inside: Literal["", "scalar", "key", "value", "captured", "skipped"] = ""
        self._escape = bytearray()
        self._token = bytearray()
        self._found: dict[str, Any] = {}
        self._seen = False
        self.captured = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece; Unreadable for what cannot be a JSON object."""
        try:
            self._utf8.decode(chunk)
        except UnicodeDecodeError as error:
            raise Unreadable("the body is not UTF-8") from error
        position, size = 0, len(chunk)
        while position < size:
            if self._escape:
                self._more_escape(chunk[position : position + 1])
                position += 1
            elif self._inside == "scalar":
                position = self._more_scalar(chunk, position)
            elif self._inside:
                position = self._more_string(chunk, position)
            elif blank := self._BLANK.match(chunk, position):
                position = blank.end()
            elif self._SCALAR_PART.match(chunk, position):
                self._begin_value()
                self._inside = "scalar"
            else:
                self._mark(chunk[position : position + 1])
                position += 1

    def finish(self) -> Event:
        """The envelope of the event, once all pieces were fed."""
        if self._expected != "end":
            raise Unreadable("the body is not JSON: it ends too early")
        return _envelope(self._found)

    def _mark(self, mark: bytes) -> None:
        """Take one of the six marks that structure JSON, or the quote that opens a string."""
        if mark == b'"' and self._expected in ("key", "key or }"):
            self._inside = "key"
        elif mark == b'"':
            self._begin_value()
            where = self._where()
            if where == self._capture:
                if self._seen:
                    raise Unreadable(f"the key {self._capture[1]!r} appears twice @ $.data")
                self._seen = True
                self._inside = "captured"
            else:
                self._inside = "value" if where in self._WANTED or where == ("data",) else "skipped"
        elif mark in (b"{", b"["):
            self._begin_value(opens=mark == b"{")
            self._note({} if mark == b"{" else [])
            if len(self._stack) >= self._DEEPEST:
                raise Unreadable("the body is nested too deeply")
            self._stack += mark
            if len(self._stack) <= 2:
                self._path.append("")
            self._expected = "key or }" if mark == b"{" else "value or ]"
        elif mark == b":" and self._expected == "colon":
            self._expected = "value"
        elif mark == b"," and self._expected == "comma":
            self._expected = "key" if self._stack.endswith(b"{") else "value"
        elif (mark == b"}" and self._stack.endswith(b"{") and self._expected in ("key or }", "comma")) or (
            mark == b"]" and self._stack.endswith(b"[") and self._expected in ("value or ]", "comma")
        ):
            if len(self._stack) <= 2:
                self._path.pop()
            self._stack.pop()
            self._expected = "comma" if self._stack else "end"
        else:
            raise Unreadable(f"the body is not JSON: {self._expected} expected")

    def _begin_value(self, *, opens: bool = False) -> None:
        if self._expected not in ("value", "value or ]"):
            raise Unreadable(f"the body is not JSON: {self._expected} expected")
        if not self._stack and not opens:
            raise Unreadable("expected an object @ $")

    def _more_scalar(self, chunk: bytes, position: int) -> int:
        match = self._SCALAR_PART.match(chunk, position)
        end = position if match is None else match.end()
        self._token += chunk[position:end]
        if len(self._token) > self._LONGEST:
            raise Unreadable("the body is not JSON: a number is too long")
        if end < len(chunk):
            if not self._SCALAR.fullmatch(self._token):
                raise Unreadable("the body is not JSON: not a number, true, false or null")
            self._inside, self._expected = "", "comma"
            self._note(self._loaded(b"", b""))
        return end

    def _more_string(self, chunk: bytes, position: int) -> int:
        match = self._STRING_END.search(chunk, position)
        end = len(chunk) if match is None else match.start()
        self._keep(chunk[position:end])
        if match is None:
            return end
        if match[0] == b"\\":
            self._escape += b"\\"
        elif match[0] == b'"':
            self._end_string()
        else:
            raise Unreadable("the body is not JSON: a control character in a string")
        return match.end()

    def _more_escape(self, byte: bytes) -> None:
        self._escape += byte
        if not self._ESCAPE.fullmatch(self._escape):
            raise Unreadable("the body is not JSON: an unknown escape in a string")
        if len(self._escape) == (6 if self._escape[1:2] == b"u" else 2):
            escape = bytes(self._escape)
            self._escape.clear()
            if self._inside == "captured":
                escape = str(json.loads(b'"' + escape + b'"')).encode("utf-8", "replace")
            self._keep(escape)

    def _keep(self, piece: bytes) -> None:
        if self._inside == "captured":
            self.captured += len(piece)
            if self._text is not None and piece:
                self._text(piece)
        elif self._inside != "skipped":
            self._token += piece[: self._LONGEST + 1 - len(self._token)]

    def _end_string(self) -> None:
        kind, self._inside = self._inside, ""
        if kind == "key":
            too_long = len(self._token) > self._LONGEST
            key = "" if too_long else str(self._loaded(b'"', b'"'))  # "" is no name that we look for
            self._token.clear()
            if len(self._stack) <= 2:
                self._path[-1] = key
            self._expected = "colon"
            return
        if kind == "value":
            if len(self._token) > self._LONGEST:
                raise Unreadable(f"expected a shorter string @ $.{'.'.join(self._where())}")
            self._note(self._loaded(b'"', b'"'))
        self._expected = "comma"

    def _loaded(self, before: bytes, after: bytes) -> Any:
        token = before + bytes(self._token) + after
        self._token.clear()
        try:
            return json.loads(token.decode("utf-8"))
        except ValueError as error:
            raise Unreadable(f"the body is not JSON @ $.{'.'.join(self._where())}") from error

    def _where(self) -> tuple[str, ...]:
        """The keys that lead to the value at hand, when no array and no third level lies between."""
        return tuple(self._path) if len(self._stack) <= 2 and b"[" not in self._stack else ()

    def _note(self, value: Any) -> None:
        """Remember the value if the envelope needs it; of two, the last counts, as in a JSON parser."""
        match self._where():
            case ("data",):
                self._found["data"] = value
            case ("data", key) as where if where in self._WANTED:
                self._found["data"][key] = value
            case (key,) as where if where in self._WANTED:
                self._found[key] = value
