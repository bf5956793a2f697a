"""A proposed fact beside the words that it rests on."""

from __future__ import annotations

import re

from elaaoms.extract.cast import Cast
from elaaoms.extract.gist import gist
from elaaoms.extract.people import People, alike, genders, kinds, mentions, own
from elaaoms.memory import Fact
from elaaoms.webhooks import Conversation

WORD = re.compile(r"[^\W_]+", re.UNICODE)
NUMBER = re.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,]\d{3})*(?:[.,]\d+)?")
_STOP = re.compile(r"[.!?…]+(?:\s+|$)")
CLAUSE = re.compile(
    r"[,;:.!?¡¿–—]|\b(?:and|but|so|because|cause|und|aber|sondern|weil|denn|y|pero|sino|porque|et|mais|car|parce que|donc|bitte|please)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:where|wo|donde|où)\b", re.IGNORECASE)
# How a clause goes on with the subject of the clause before it: with a verb.
_GOES_ON = {
    "en": re.compile(r"\W*(?:is|was|has|had|does|did|can|could|will|would|lives?|works?|got|gets|needs|wants|takes|\w{2,}ed)\b", re.IGNORECASE),
    "de": re.compile(r"\W*(?:ist|war|hat|hatte|kann|konnte|will|wollte|wird|wurde|muss|wohnt|arbeitet|braucht|\w{2,}t)\b", re.IGNORECASE),
    "es": re.compile(r"\W*(?:es|está|era|ha|han|va|van|tiene|tienen|(?:se|les?|l[ao]s?) \w+|\w{3,}(?:an|en|ó|aba|ía|aron|ieron))\b", re.IGNORECASE),
    "fr": re.compile(r"\W*(?:est|était|a|ont|avait|va|vont|peut|veut|doit|habite|travaille|s(?:'|’)est|\w{3,}(?:ait|ent))\b", re.IGNORECASE),
}  # fmt: skip
MARK = re.compile(r"[,;:.!?¡¿–—]")
WANTED = re.compile(
    r"\b(?:ask|want|would like|request|need|wish|prefer|bitte[tn]?|möchte|will|wünsch|brauch|pide|pregunt|quiere|necesita|prefiere|"
    r"demand|veut|souhait|voudrait|préfère|besoin)\w*",
    re.IGNORECASE,
)
# What was so once, and what is so now.
FORMER = re.compile(
    r"\b(?:was|were|used to|previously|formerly|before that|vorher|früher|bisher|war(?:en)?|zuvor|ehemals|antes|era|eran|estaba|anteriormente|"
    r"avant|était|étaient|auparavant|anciennement)\b",
    re.IGNORECASE,
)
NOW = re.compile(
    r"\b(?:now|currently|from now on|takes|pays|lives|jetzt|nun|derzeit|aktuell|ahora|actualmente|maintenant|désormais|actuellement)\b",
    re.IGNORECASE,
)
CALLER = re.compile(
    r"^\W*(?:to |bei |a(?=\s)\s|a(?=l\s))?(?:the (?:caller|customer)|d(?:er|ie|en|em) (?:anrufer|kund)(?:in|e|en|s)?|(?:e?l|la) cliente?a?|(?:e?l|la) llamante|quien llama|"
    r"(?:la )?persona que llama|l(?:'|’)appelante?|l[ae] cliente?|l(?:'|’)interlocut\w+)(?P<possess>(?:'|’)s)?(?![\w'’])",
    re.IGNORECASE,
)
CALLED = re.compile(r"\b(?:names?|named|called|heißt|namens|llama\w*|nombre|appelle|nom|Mrs?|Ms|Herr|Frau)\b")
# Words that a quote begins with where it has a subject of its own; what stands before it is another clause.
_OWN_SUBJECT = re.compile(
    r"\W*(?:i|i'?m|i'?ve|i'?d|i'?ll|it|it'?s|he|he'?s|she|she'?s|we|we'?re|we'?ve|they|there'?s?|my|our|ich|er|sie|es|wir|das ist|mein\w*|unser\w*|"
    r"yo|me|mi|mis|soy|tengo|estoy|je|j|il|elle|on|nous|mon|ma|mes|c)\b",
    re.IGNORECASE,
)


class Claim:
    """A fact beside the words that it rests on: where they stand, what was asked before, whom they speak of."""

    def __init__(self, talk: Conversation, people: People, cast: Cast, fact: Fact) -> None:
        self.talk, self.people, self.cast, self.fact = talk, people, cast, fact
        self.language = people.language
        self.turn = talk.turns[fact.turn]
        self.by_caller = self.turn.role == "user"
        self.at = max(0, self.turn.text.lower().find(fact.quote.strip().lower()))
        start = max((match.end() for match in _STOP.finditer(self.turn.text, 0, self.at)), default=0)
        end = _STOP.search(
            self.turn.text, min(len(self.turn.text), self.at + max(1, len(fact.quote.strip()) - 1))
        )
        self.start, self.end = start, end.end() if end else len(self.turn.text)
        self.sentence = self.turn.text[start : self.end]
        asked = next((turn for turn in reversed(talk.turns[: fact.turn]) if turn.text), None)
        self.asked = asked.text if self.by_caller and asked is not None and asked.role == "agent" else ""
        self.around = f"{self.asked} \n {self.turn.text}" if self.asked else self.turn.text
        told = [turn.text for turn in talk.turns[: fact.turn] if turn.role == "user" and turn.text]
        self.lately = told[-1] if told and self.asked else ""
        self.clauses = self._about()

    def only_own(self, clause: str) -> bool:
        return own(clause, self.language) and not self.another(clause)

    def another(self, clause: str) -> bool:
        """Whether a clause speaks of somebody else, or begins with their name."""
        return self.people.another(clause) or self.cast.begins(clause)

    def _about(self) -> list[str]:
        """The clauses of the quote that the fact has most words from, each with the subject that it goes on about."""
        quote = self.fact.quote.strip()
        lead = self.turn.text[self.start : self.at]
        lead = "" if _OWN_SUBJECT.match(quote) else self._lead(lead, quote)
        text = f"{lead}{quote}"
        about = gist(self.fact.content) | set(NUMBER.findall(self.fact.content))
        ends = [(match.start(), match.end(), match[0].isalpha()) for match in CLAUSE.finditer(text)]
        ends += [
            (match.start(), match.end(), False)
            for match in _RELATIVE.finditer(text)
            if mentions(text[match.end() :][:40], self.language)
            and not genders(text[match.end() :][:40], self.language)
        ]
        ends.sort()
        clauses: list[str] = []
        start, before, joined = 0, "", False
        for end, following, goes_on in (*ends, (len(text), len(text), False)):
            clause = text[start:end]
            if clause.strip():
                alone = not own(clause, self.language) and not self.people.another(clause)
                if before and alone and (joined or _GOES_ON[self.language].match(clause)):
                    clause = f"{before} {clause}"
                if end > len(lead):
                    clauses.append(clause)
            before = clause if clause.strip() else before
            joined = (goes_on and bool(clause.strip())) or (joined and not clause.strip())
            start = following
        named = kinds(self.fact.content, self.language)
        scores = [
            len((gist(clause) | set(NUMBER.findall(clause))) & about)
            + any(alike(kind, named) for kind in kinds(clause, self.language))
            for clause in clauses
        ]
        best = max(scores, default=0)
        return [clause for clause, score in zip(clauses, scores, strict=True) if score == best]

    def _lead(self, lead: str, quote: str) -> str:
        """The subject that a quote without one goes on about: of the clause that it ends, or of one before it."""
        cuts = [0, *(match.end() for match in MARK.finditer(lead))]
        if not _GOES_ON[self.language].match(quote):
            return self.people.last_subject(lead[cuts[-1] :])
        for cut, end in zip(reversed(cuts), (len(lead), *reversed(cuts[1:])), strict=True):
            clause = lead[cut:end]
            if own(clause, self.language) or self.people.another(clause):
                return self.people.last_subject(lead[cut:])
        return self.people.last_subject(lead[cuts[-1] :])


def folded(text: str) -> list[str]:
    """The words of a text without their capitals."""
    return WORD.findall(text.casefold())
