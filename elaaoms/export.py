"""Everything about one caller, as JSON for machines and as a page for the person it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}
h1,h2,h3{line-height:1.2}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.4rem;
text-align:left;vertical-align:top}blockquote{margin:.2rem 0;padding-left:.8rem;border-left:3px solid #ccc;color:#555}
.agent{color:#777}.over{text-decoration:line-through;color:#777}"""


def page(data: Mapping[str, Any]) -> str:
    """The export as one HTML page that needs nothing else; every text in it is escaped."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(data['caller']['address'])}</title><style>{_STYLE}</style>",
            f"<h1>What is stored about {escape(data['caller']['address'])}</h1>",
            f"<p>Made {escape(data['exported_at'])}. First call {_text(data['caller']['first_seen'])}, "
            f"last call {_text(data['caller']['last_seen'])}, {len(data['calls'])} calls.</p>",
            "<h2>Memories</h2>",
            *_memories(data["memories"]),
            "<h2>Calls</h2>",
            *(line for call in data["calls"] for line in _call(call)),
            "</html>",
        ]
    )


def _memories(memories: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not memories:
        yield "<p>Nothing.</p>"
        return
    yield "<table><tr><th>Heard</th><th>Kind</th><th>Memory, and the words it rests on</th></tr>"
    for memory in memories:
        over = ' class="over"' if memory["status"] != "active" else ""
        quotes = "".join(
            f"<blockquote>{_text(entry['quote'])}</blockquote>"
            for entry in memory["evidence"]
            if entry["quote"]
        )
        yield (
            f"<tr><td>{_text(memory['last_heard'])}</td><td>{_text(memory['category'])}</td>"
            f"<td><span{over}>{_text(memory['content'])}</span>{quotes}</td></tr>"
        )
    yield "</table>"


def _call(call: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h3>{_text(call['started_at'])}, {_text(call['conversation_id'])}</h3>"
    if call["summary"]:
        yield f"<p>{_text(call['summary'])}</p>"
    for turn in call["turns"]:
        who = "Caller" if turn["role"] == "user" else "Agent"
        yield f'<div class="{_text(turn["role"])}"><b>{who}:</b> {_text(turn["text"])}</div>'
    if call["files"]:
        yield f"<p>Files: {_text(', '.join(call['files']))}</p>"


def _text(value: Any) -> str:
    return escape("" if value is None else str(value))
