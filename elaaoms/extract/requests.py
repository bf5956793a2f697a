"""A caller who asks to be forgotten: heard in their own words, in four languages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from elaaoms.webhooks import Turn

_MY = r"(?:(?:all|any|the rest) (?:of )?)?(?:my|meine?n?|mi|mis|ma|mes|mon|toutes mes|todos mis|alle meine) "
_DATA = (
    r"(?:personal |persönlichen |personenbezogenen |datos )?(?:data|information|info|details|records?|history|profile|daten|angaben|"
    r"profil|datos|información|historial|perfil|données|informations|historique)"
)
_DELETE = r"(?:delete|erase|remove|wipe|forget|lösch\w*|entfern\w*|vergess\w*|vergiss|borr\w+|elimin\w+|olvid\w+|effac\w+|supprim\w+|oubli\w+)"
_ABOUT = (
    r"(?:everything|anything|all|alles|was|todo|toute?s?|tout)\b.{0,40}\b(?:about me|on me|über mich|von mir|sobre mí|de mí|sur moi|"
    r"à mon sujet|me concernant)"
)
_ASKS = re.compile(
    rf"\b{_DELETE}\b(?:[^.?!]{{0,30}}?)\b(?:{_MY}{_DATA}|{_ABOUT})"
    rf"|(?:\b{_MY}{_DATA}|{_ABOUT})[^.?!]{{0,30}}?\b(?:lösch\w*|gelöscht|entfern\w*|vergess\w*|deleted|erased|removed)"
    r"|\bforget (?:that )?i (?:ever )?called\b|\bi (?:want|wish|would like|demand) to be forgotten\b|\bright to be forgotten\b"
    r"|\brecht auf (?:vergessen|löschung)|\bderecho al olvido\b|\bdroit à l['’](?:oubli|effacement)",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:don['’]?t|do not|never|not|without|nicht|kein\w*|niemals|no|nunca|sin|ne|n['’]\w+|pas|jamais)\b(?:\W+\w+){0,4}\W*$",
    re.IGNORECASE,
)
# Somebody who asks whether, when or why it is done has not asked for it yet.
_WONDERS = re.compile(
    r"\b(?:do|did|does|have|has|when|why|how|if|whether|wann|warum|wie|ob|wenn|haben sie|cuándo|por qué|cómo|si|quand|pourquoi|"
    r"comment|est-ce que vous|avez-vous)\b(?:\W+\w+){0,4}\W*$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(r"\W*(?:\w+\W+){0,2}nicht\b", re.IGNORECASE)  # where German says its no
_STOP = re.compile(r"[.!?;]+\s+")


def asked_to_be_forgotten(turns: Sequence[Turn]) -> int | None:
    """The caller's turn that asks for it, or None."""
    for number, turn in enumerate(turns):
        if turn.role != "user":
            continue
        for sentence in _STOP.split(turn.text):
            asked = _ASKS.search(sentence)
            if asked is None:
                continue
            before = sentence[: asked.start()]
            if _NOT.search(before) or _WONDERS.search(before) or _NOT_AFTER.match(sentence, asked.end()):
                continue
            return number
    return None
