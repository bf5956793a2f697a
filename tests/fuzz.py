"""Every parser of bytes from outside, fed with what nobody would send: `python -m tests.fuzz --seconds 60`.

A parser may refuse with its own error and nothing else. The count of inputs tried is printed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elaaoms import config, strict
from elaaoms.errors import ConfigError, ServiceRejected, Unreadable
from elaaoms.identity import Hints, candidates, parse
from elaaoms.ingest import _Base64, is_mp3
from elaaoms.recall import Initiation, Search
from elaaoms.webhooks import (
    InvalidSignature,
    Scanner,
    Verifier,
    clean,
    is_conversation_id,
    parse_event,
    parse_json,
    spoken,
)

SAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parent / "samples").glob("*.json"))]

_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["post_call_transcription", "post_call_audio", "../../etc", "\ud800", "\0", "1e999"])
)
_json = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real event with a few bytes changed, cut out or put in."""
    body = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(body) - 1)) if body else 0
        match draw(st.sampled_from("flip cut put".split())):
            case "flip" if body:
                body[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del body[at : at + draw(st.integers(1, 200))]
            case _:
                body[at:at] = draw(st.binary(max_size=8) | st.sampled_from([b"[" * 3000, b'{"a":' * 3000]))
    return bytes(body)


@st.composite
def replaced(draw: st.DrawFn) -> bytes:
    """A real event in which one value is another."""
    event = json.loads(draw(st.sampled_from(SAMPLES)))
    place: Any = event
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            place[key] = draw(_json)
            return json.dumps(event).encode()
        place = inner


_bodies = (
    st.binary(max_size=2000) | mutated() | replaced() | _json.map(lambda value: json.dumps(value).encode())
)


def _event(body: bytes) -> None:
    try:
        event = parse_event(body)
    except Unreadable:
        return
    assert is_conversation_id(event.conversation_id)
    json.dumps([event.type, event.agent_id], ensure_ascii=False).encode()  # no half characters
    if event.conversation is not None:
        list(candidates(event.conversation.hints, region="US", own=()))


def _scanned(body: bytes) -> None:
    """The scanner for large bodies takes what the parser takes, and says the same of it."""
    scanner = Scanner()
    try:
        for start in range(0, len(body), 7):
            scanner.feed(body[start : start + 7])
        found = scanner.finish()
    except Unreadable:
        return
    assert is_conversation_id(found.conversation_id)


def _signature(header: str) -> None:
    try:
        verifier = Verifier(["secret"], header, now=1.79e9)
        verifier.update(b"body")
        verifier.finish()
    except InvalidSignature:
        return
    raise AssertionError("it was accepted")


def _request(cls: type) -> Callable[[bytes], None]:
    converter = strict.converter(forbid_extra_keys=False)

    def target(body: bytes) -> None:
        try:
            strict.structure(converter, parse_json(body), cls)
        except Unreadable as error:
            str(error).encode()

    return target


def _number(text: str) -> None:
    address = parse(text, "US")
    if address is not None:
        assert str(address).encode()
    list(candidates(Hints(caller_id=text, user_ids=(text,), external_number=text), region="", own=()))


def _text(text: str) -> None:
    assert "{{" not in spoken(text)
    assert "\n" not in spoken(text)
    clean(text).encode()


def _path(name: str) -> None:
    if not is_conversation_id(name):
        return
    root = Path("/data/payloads")
    inside = (root / name / f"{name}_transcription.json").resolve()
    assert inside.is_relative_to(root)
    assert inside.parent != root


def _audio(text: bytes) -> None:
    found = bytearray()
    decoder = _Base64(found.extend)
    try:
        for start in range(0, len(text), 5):
            decoder.feed(text[start : start + 5])
        decoder.finish()
    except ServiceRejected:
        return
    assert is_mp3(bytes(found))


def _settings(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        try:
            config.load(Path(file.name))
        except ConfigError:
            return


_words = st.text(max_size=200)
_lines = st.builds(
    lambda table, key, value: f"[{table}]\n{key} = {value}\n",
    st.sampled_from("server llm worker limits storage privacy greeting x".split()) | _words,
    st.sampled_from("port host concurrency connections provider min_free_mb".split()) | _words,
    st.sampled_from(["1", "-1", "1e400", "nan", '""', "[]", "true", "99999999999999999999"]) | _words,
)
_signatures = st.builds(
    lambda t, v, rest: f"t={t},v0={v}{rest}",
    st.integers().map(str) | st.text(max_size=20) | st.just("1790000000"),
    st.binary(max_size=32).map(bytes.hex) | st.text(max_size=80),
    st.text(max_size=40),
)

TARGETS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "events": (_bodies, _event),
    "large events": (_bodies, _scanned),
    "signatures": (_signatures | _words, _signature),
    "client-data": (_bodies, _request(Initiation)),
    "search-memory": (_bodies, _request(Search)),
    "numbers": (_words | st.from_regex(r"\+?[0-9 ()x;,#*-]{1,30}"), _number),
    "texts": (_words, _text),
    "conversation ids": (_words | st.from_regex(r"[A-Za-z0-9_./\\-]{0,140}"), _path),
    "audio": (st.binary(max_size=300) | st.from_regex(rb"[A-Za-z0-9+/=\\]{0,300}"), _audio),
    "settings": (_lines | _words, _settings),
}


@frozen
class Tried:
    """One target's run."""

    target: str
    inputs: int


def run(target: str, *, examples: int, seconds: float = float("inf")) -> Tried:
    """Feed a target until either is reached; AssertionError or the parser's own bug otherwise."""
    strategy, parser = TARGETS[target]
    count = 0
    end = time.monotonic() + seconds
    checks = list(HealthCheck)
    while count < examples and time.monotonic() < end:

        @settings(max_examples=min(500, examples), deadline=None, database=None, suppress_health_check=checks)
        @given(strategy)
        def feed(value: Any) -> None:
            nonlocal count
            count += 1
            parser(value)

        feed()
    return Tried(target, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all parsers together")
    seconds = parser.parse_args().seconds / len(TARGETS)
    total = 0
    for target in TARGETS:
        tried = run(target, examples=1 << 62, seconds=seconds)
        total += tried.inputs
        print(f"{tried.target:<18} {tried.inputs:>9} inputs", flush=True)
    print(f"{total} inputs, no parser did anything but accept or refuse")


if __name__ == "__main__":
    main()
