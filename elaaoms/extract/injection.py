"""What a call says to the machine instead of about its caller: orders to remember, forged turns, ranks of one's own."""

from __future__ import annotations

import re

from elaaoms.extract.clauses import addressed_to_the_model
from elaaoms.memory import Fact
from elaaoms.webhooks import Conversation

_TO_THE_MODEL = re.compile(
    r"\{\{|\}\}|<[a-z/!]|\[/?(?:inst|system)|https?://|www\.|```|\bignor(?:e[zr]?|ieren?|a|ad|en)\b.{0,40}\b(?:instruc|anweis|rules|regeln|"
    r"reglas|règles|consign|prompt|previous|vorher|anterior|précédent)|\b(?:vergiss|olvida|oublie[zr]?|disregard|forget)\b.{0,40}\b"
    r"(?:instruc|anweis|regeln|reglas|règles|consign|prompt)|\b(?:du bist|sie sind|eres|ahora eres|tu es|vous êtes) (?:jetzt|ab jetzt|ahora|"
    r"désormais|maintenant)|\b(?:system|assistant|developer|user|tool)\s*(?::|prompt|message|colon|doppelpunkt|dos puntos|deux points)|"
    r"\b(?:remember|store|save|record|note|write down|merk dir|merken sie sich|speicher\w*|recuerda|guarda|memoriza|apunta|souviens-toi|"
    r"retiens|enregistre[zr]?|mémorise[zr]?)\b.{0,60}\b(?:memory|memories|every (?:agent|caller|customer)|all (?:agents|callers|customers)|"
    r"gedächtnis|alle (?:agenten|anrufer|kunden)|todos los (?:agentes|clientes)|memoria|mémoire|tous les (?:agents|clients))|"
    r"\b(?:tell|greet|say to) (?:every|all|the next|other) ?\w*|\b(?:next|every) (?:caller|time (?:somebody|someone|anyone|a caller))|"
    r"\b(?:function|tool)[ _]?call|search_memory|\bjson\b|\bprompt\b|language model|\bLLM\b|chatbot|\bas an ai\b",
    re.IGNORECASE,
)
_STATUS = re.compile(
    r"\b(?:admin\w*|VIP|verified|verifi\w+|authori[sz]ed|autori\w+|approved|genehmigt|aprobad\w+|approuv\w+|premium|privileged|"
    r"(?:is|works as) (?:an? |the )?(?:employee|manager|owner|director|boss|supervisor|police\w*|officer|doctor of|staff|developer)|"
    r"entitled|exempt|unlimited|full access|zugriff|acceso|accès)\b",
    re.IGNORECASE,
)
_CLAIMED = re.compile(
    r"\b(?:says?|said|claims?|claimed|states?|stated|according to|sagt|behauptet|laut|gibt an|dice|afirma|según|dit|affirme|"
    r"prétend|selon)\b",
    re.IGNORECASE,
)
_COMMANDS = re.compile(
    r"\W*(?:please|do not|don(?:'|’)t|always|never|you (?:must|should)|ignore|treat|transfer|tell|greet|remember|give|bitte|immer|niemals|"
    r"por favor|siempre|veuillez|s(?:'|’)il vous plaît|toujours)\b",
    re.IGNORECASE,
)

_STOP = re.compile(r"[.!?…]+(?:\s+|$)")


def to_the_model(text: str) -> bool:
    """Whether a text gives orders to a language model or carries its markup."""
    return _TO_THE_MODEL.search(text) is not None or addressed_to_the_model(text)


def objection(conversation: Conversation, fact: Fact) -> str | None:
    """Why a proposal is not to be believed: what it says, or the turn up to the end of the quote's sentence, is
    meant for the machine."""
    if _COMMANDS.match(fact.content):
        return "a command"
    said = conversation.turns[fact.turn].text
    if any(to_the_model(text) for text in (_up_to(said, fact.quote), fact.content)):
        return "addressed to the model"
    if _STATUS.search(fact.content) and not _CLAIMED.search(fact.content):
        return "self-declared"
    return None


def _up_to(said: str, quote: str) -> str:
    """A turn as far as the sentence that holds the quote."""
    at = max(0, said.casefold().find(quote.strip().casefold()))
    end = _STOP.search(said, min(len(said), at + max(1, len(quote.strip()) - 1)))
    return said[: end.end() if end else len(said)]
