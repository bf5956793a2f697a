"""How values look on a page: times, amounts, sizes, and a turn's text with the quotes in it marked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from elaaoms.calls import Caller
from elaaoms.memory import Memory
from elaaoms.views import moment
from elaaoms.words import name_in


@frozen
class Piece:
    """A piece of a turn: what is between quotes, or the words that memories (`ids`) rest on."""

    text: str
    ids: tuple[str, ...] = ()


def environment() -> Environment:
    """The templates; whatever a template is given is escaped, and a name it does not know is an error."""
    made = Environment(
        loader=PackageLoader("elaaoms.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "time": time_tag,
        "clock": clock,
        "count": count,
        "usd": usd,
        "size": size,
        "span": span,
        "ms": milliseconds,
    }
    return made


def time_tag(at: float | None) -> Markup:
    """A moment in UTC, which the page's script shows in the reader's zone."""
    if at is None:
        return Markup('<span class="none">–</span>')
    text = datetime.fromtimestamp(at, UTC).strftime("%d %b %Y, %H:%M")
    return Markup('<time datetime="{}">{} UTC</time>').format(moment(at), text)


def clock(seconds: float) -> str:
    """A second of a call as minutes and seconds."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def count(number: int) -> str:
    """A number with thin spaces, as columns of numbers are read."""
    return f"{number:,}".replace(",", "\u202f")


def usd(amount: float) -> str:
    """US dollars, with more digits where there is little."""
    return f"${amount:,.4f}" if 0 < amount < 0.1 else f"${amount:,.2f}"


def size(number: float) -> str:
    """Bytes in the unit that fits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def span(seconds: float) -> str:
    """How long, in one unit."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for most, unit, length in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def milliseconds(number: float) -> str:
    """Milliseconds, with a digit after the point where it tells something."""
    return f"{number:.1f} ms" if number < 10 else f"{number:.0f} ms"


def title(caller: Caller, name: Memory | None) -> str:
    """What a caller is called on a page: the name they gave, else their address."""
    return (name_in(name.content) if name is not None else "") or caller.address.value


def marked(text: str, quotes: Sequence[tuple[str, str]]) -> list[Piece]:
    """A turn's text cut at the quotes (words, memory) that memories rest on.

    A quote that is not found as it stands is looked for whatever its case and spaces; one that is not
    there at all (the policy has changed since) marks the whole turn, so that no evidence goes unseen.
    """
    ids: list[set[str]] = [set() for _ in text]
    for words, memory in quotes:
        for place in range(*_place(text, words)):
            ids[place].add(memory)
    pieces: list[Piece] = []
    begin = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or ids[end] != ids[begin]:
            pieces.append(Piece(text[begin:end], tuple(sorted(ids[begin]))))
            begin = end
    return pieces


def _place(text: str, words: str) -> tuple[int, int]:
    found = text.find(words)
    if found >= 0 and words:
        return found, found + len(words)
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    match = re.search(pattern, text, re.IGNORECASE) if pattern else None
    return match.span() if match else (0, len(text))


def plot(
    name: str, unit: str, series: Sequence[tuple[str, Sequence[float]]], times: Sequence[float]
) -> Mapping[str, Any]:
    """What the page's script draws, and the sentence for whoever does not see it."""
    total = [sum(values) for _, values in series]
    most = max((max(values, default=0) for _, values in series), default=0)
    labels = ", ".join(
        f"{label}: {_short(amount)} in all" for (label, _), amount in zip(series, total, strict=True)
    )
    return {
        "name": name,
        "unit": unit,
        "labels": [label for label, _ in series],
        "data": [list(times), *(list(values) for _, values in series)],
        "said": f"{name} over the last {len(times)} hours. {labels}; {_short(most)} in the busiest hour.",
        "empty": most == 0,
    }


def _short(amount: float) -> str:
    return f"{amount:.0f}" if amount == int(amount) else f"{amount:.2f}"
