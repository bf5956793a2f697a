"""Extract facts from a call without a key: tables of patterns over the caller's clauses, nothing that is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers
from attrs import evolve

from elaaoms.extract import clauses, dates, line, matters, spoken
from elaaoms.extract.clauses import Clause
from elaaoms.extract.heard import Heard, Ledger, capitals, sentence, verbatim
from elaaoms.extract.matters import appointments, booked, injected_days, problems, promises, solved
from elaaoms.extract.names import (
    named,
    names,
    read_name,
    related,
    relations,
    spelled_name,
    tells_of_death,
)
from elaaoms.extract.person import birth, person, street
from elaaoms.extract.references import (
    begins_to_put_right,
    e164,
    emails,
    kept,
    numbered,
    orders,
    partly_corrected,
    phone_put_right,
    phones,
    references,
)
from elaaoms.memory import Category, Fact
from elaaoms.webhooks import Conversation, Turn

MOST = 40  # facts a call
LONGEST = 6000  # characters of a turn that are read

_ASKS = tuple(
    (topic, re.compile(pattern, re.IGNORECASE))
    for topic, pattern in (
        ("name", r"(?<!'s )(?<!pet )(?<!user )(?<!company )(?<!business )(?<!street )(?<!brand )(?<!product )(?<!account )\b(?:sur)?name\b(?! (?:on|of)\b)|\bwho(?:'s| is) that\b|\band you are\?|\bwho am i (?:speaking|talking)|\bwho(?:'s| is) (?:calling|this|speaking)|\bspeaking with\b|\bspell (?:that|it|your)|\bwho do i have"),
        ("email", r"\be-?mail\b"),
        ("phone", r"\b(?:phone|mobile|cell|telephone|contact|callback|call-back)(?: phone)? number\b|\bname and (?:a |the )?(?:contact |phone )?number\b|\band (?:a|your) number\b|\bnumber (?:can|should|to|we can|i can)\b|\bbest number\b|\byour number\b|\bwhat number\b"),
        ("birth", r"\bdate of birth\b|\bbirth ?date\b|\bborn\b|\bbirthday\b"),
        ("address", r"(?<!mail )\baddress\b(?! (?:for the )?(?:of|for)\b)|\bwhere (?:should|shall|can) (?:it|we|i) (?:go|send|deliver|post)\b"),
        ("residence", r"\bwhere do you live\b|\bwhich (?:city|town)\b|\bwhat (?:city|town)\b|\bwhere are you based\b"),
        ("allergy", r"\ballerg"),
        ("contact", r"\b(?:how|which|what)\b.{0,40}\b(?:contact(?:ed)?|reach(?:ed)?|get in touch|prefer)\b.{0,60}|\bemail or (?:phone|text|sms)\b|\b(?:phone|text|call) or e-?mail\b"),
        *((noun, rf"\b{noun}(?: (?:number|id|code|reference|ref))") for noun in ("order", "ticket", "case", "claim", "booking", "reservation", "confirmation", "invoice", "tracking", "account", "policy", "customer", "member", "membership", "patient", "contract", "meter")),
        ("reference", r"\breference(?: number| code)?\b"),
    )
)  # fmt: skip
_REQUEST = re.compile(
    r"\?|\b(?:please|could|can|may|tell me|give me|provide|need|let me have|spell|what(?:'s|s| is)|who(?:'s|s| is)|which|"
    r"do you have|have you got|and (?:your|the|a))\b",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(
    r"\b(?:his|her|their|patient's|passenger's|child's|recipient's|daughter's|son's|wife's|husband's|mother's|father's|partner's|pet's|dog's|cat's|cardholder's|emergency)\b",
    re.IGNORECASE,
)
_CONFIRMS = re.compile(
    r"^\W*(?:(?:oh|um|uh|ah|well)\b[\s,.]*)*(?:yes|yeah|yep|yup|correct|that's (?:right|correct|it|me)|that is (?:right|correct)|exactly|right|it is|perfect|spot on|absolutely|sure is|speaking|indeed)\b",
    re.IGNORECASE,
)
_CONFIRMS_NOT = re.compile(
    r"\b(?:but|no|not|isn't|wrong|actually|except|wait|sorry|almost|nearly|should be|instead|without|yeah right|whatever|old)\b",
    re.IGNORECASE,
)
_READS_BACK = re.compile(
    r"\?|\b(?:still|is that|so that's|to confirm|just to confirm|let me confirm|i have|i've got|that's|correct|is that right|right)\b",
    re.IGNORECASE,
)
_READ_NAME = re.compile(
    r"\b(?:am i speaking (?:with|to)|is this|is that|speaking with|so that's|so it's|that's|your (?:full )?name is|your name as|is your name|i have|thank you,?|is it|it's|so you're|you are|so)\s+",
    re.IGNORECASE,
)
_NAMING = re.compile(r"name|speaking|is this|is that", re.IGNORECASE)
_YOURS = re.compile(r"\b(?:your|that's|so|correct|right|it)\b", re.IGNORECASE)
_YOUR_PHONE = re.compile(
    r"(?=.*\b(?:phone|mobile|cell|number|reach you|call you)\b)(?=.*\b(?:your|you|confirm)\b)",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_NUMBER = re.compile(
    r"\b(?:our|my|order|account|policy|ticket|case|reference|booking|customer|extension)\b", re.IGNORECASE
)
_NOT_ME = re.compile(r"\bmy name (?:isn't|is not|'s not)\s+|\bi'm not (?=(?-i:[A-Z]))", re.IGNORECASE)
_WITHDRAWS = re.compile(
    r"\b(?:actually|no|wait|on second thoughts?)\b.{0,20}\b(?:don't|do not|cancel that|forget (?:it|that|about)|never mind|leave it)\b|^\W*(?:forget it|never mind|cancel that)",
    re.IGNORECASE,
)
_KEEPS = re.compile(
    r"\b(?:don't|do not|won't|not) (?:want to )?cancel\b|\b(?:i'll|i will|can i|could i|i'd like to|want to|let's|just|please|rather) keep (?:it|that|the|my)\b"
    r"|\bchanged my mind\b|\bleave it (?:as it is|as is|running|open)\b|\b(?:i'll|i will) stay\b|\binstead of cancell?ing\b",
    re.IGNORECASE,
)
_ADDRESSING = re.compile(r"\b(?:your|you are|speaking|calling|who am i)\b", re.IGNORECASE)
_OTHER_DAY = re.compile(
    r"^\W*(?:(?:no|sorry|actually|i mean|wait|oh|well|it's|it is|that's|make that|on)\b[\s,.]*)+(?:\w+day\b|the \w+|tomorrow)",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_ABOUT_A_NUMBER = re.compile(
    r"\b(?:phone|mobile|cell|number|reach you|call you)\b|\d{3}"
    r"|^\W*(?:(?:is )?that(?:'s| is)? )?(?:right|correct|okay|ok|yes|sorry|pardon)\W*$|\b(?:say|repeat) (?:that|it)\b",
    re.IGNORECASE,
)
_THE_ORDER = re.compile(r"^The caller's (?:order|parcel|package|delivery|shipment)\b")
_STILL_AT = re.compile(
    r"\b(?:your|the) (?:\w+ )?address (?:still |is |as )*|\b(?:live|living) at\s|\bstill (?:at )?|^\W*(?:so )?(?=\d)",
    re.IGNORECASE,
)
_SECRET_LABEL = re.compile(
    r"pass ?word|passcode|\bpin\b|cvv|cvc|card|ssn|social|iban|secret|security|otp|token|key", re.IGNORECASE
)
_STATUS_LABEL = re.compile(
    r"\b(?:role|admin|verified|authenticated|is staff|permission|status|vip|tier|authori[sz]ed|system|instructions?|prompt)\b",
    re.IGNORECASE,
)


def facts_of(conversation: Conversation) -> list[Fact]:
    """The facts of one call in the order of its turns, each slot at most once, at most 40."""
    if conversation.language and not conversation.language.lower().startswith("en"):
        facts = _without_grammar(conversation)
    else:
        facts = _Call(conversation).facts()
    facts += _collected(conversation, facts)
    best = sorted(facts, key=lambda fact: (-fact.importance, -fact.confidence))[:MOST]
    return sorted(best, key=lambda fact: fact.turn)


class _Call:
    """One English call on its way from turns to facts."""

    def __init__(self, conversation: Conversation) -> None:
        self._turns = conversation.turns
        self._now = conversation.called_at
        self._region = _region(conversation)
        self._injected = tuple(spoken.squash(clauses.plain(text[:4000])) for text in conversation.injected)
        self._injected_days = injected_days(conversation.injected, self._now)
        self._ledger = Ledger()
        self._behalf = ""
        self._offered: tuple[int, str] | None = None

    def facts(self) -> list[Fact]:
        """What the call teaches, which is nothing when the caller spent it commanding the model."""
        if any(
            turn.role == "user" and line.plays_with_the_model(turn.text[:LONGEST]) for turn in self._turns
        ):
            return []
        agent: list[int] = []
        deaths: list[int] = []
        childish = False
        heard_before = 0
        last = -1
        for index, turn in enumerate(self._turns):
            if not turn.text.strip():
                continue
            if turn.role == "agent":
                agent.append(index)
                continue
            if clauses.takes_back(turn.text) and last >= 0:
                self._ledger.drop_turn(last)
            text = turn.text[:LONGEST]
            handed = clauses.hands_over(text)
            childish = childish or line.child(text)
            if line.takes_over(text):
                childish = False
                self._ledger.clear()  # it was somebody else who spoke
            if childish:
                self._ledger.clear()
                continue
            self._behalf = self._behalf or line.behalf(clauses.plain(text[:600]), early=heard_before < 2)
            deaths += [index] if tells_of_death(text) else []
            self._confirmed(agent, index, text)
            if not self._secret(agent):
                self._said(index, turn, text, self._words(agent), early=heard_before < 2)
            if handed:
                break  # the next voice is somebody else's
            words = self._words(agent)
            if matters.accepts(clauses.plain(text)):
                self._offered = None if self._ours(words) else (index, words)
            elif matters.objects(text):
                self._offered = None
            agent, last, heard_before = [], index, heard_before + 1
        for fact in self._ledger.slots("relation:"):
            if any(abs(fact.turn - index) <= 2 for index in deaths):
                self._ledger.drop(fact.slot)
        return list(self._ledger)

    def _words(self, agent: list[int]) -> str:
        return " ".join(self._turns[index].text for index in agent)[-600:]

    def _secret(self, agent: list[int]) -> bool:
        words = self._words(agent)
        return bool(_REQUEST.search(words)) and clauses.asks_for_secret(_last_sentences(words))

    def _said(self, index: int, turn: Turn, text: str, agent: str, *, early: bool) -> None:
        """What the caller says in one turn."""
        plain = clauses.plain(text)
        asked = self._asked(agent)
        heards = [
            Heard(clause, turn.text, self._now, self._ledger, asked, agent, early, self._behalf)
            for clause in clauses.clauses(plain, index)
        ]
        if not heards:
            return
        believed = [heard for heard in heards if self._believed(heard.clause)]
        for heard in believed:
            for fact in (
                *names(heard),
                *relations(heard),
                *person(heard),
                *appointments(heard),
                *problems(heard),
            ):
                self._ledger.add(fact)
            for fact in solved(heard):
                self._ledger.add(fact)
            self._unnamed(heard)
        self._numbers(heards, plain)
        for fact in _answers(believed[0], plain) if believed else ():
            self._ledger.add(fact)
        for fact in self._other_day(believed):
            self._ledger.add(fact)
        if _KEEPS.search(plain):
            for fact in (*self._ledger.slots("subscription:"), *self._ledger.slots("appointment:")):
                if fact.value == "cancel requested":
                    self._ledger.drop(fact.slot)
        if matters.gives_up(plain):
            for fact in self._ledger.slots("appointment:"):
                if fact.event_date and fact.turn != index and fact.category is Category.FACTUAL:
                    self._ledger.drop(fact.slot)
        if _WITHDRAWS.search(plain):
            for fact in self._ledger.slots("promise:"):
                self._ledger.drop(fact.slot)

    def _asked(self, agent: str) -> frozenset[str]:
        """What the agent asked the caller about themselves."""
        asked = _asked(agent)
        if self._behalf:
            asked -= (
                {"birth"} if _ADDRESSING.search(_last_sentences(agent)) else {"birth", "name", "residence"}
            )
        return asked

    def _other_day(self, believed: list[Heard]) -> Iterator[Fact]:
        """ "No, Sunday" puts right the day of the one appointment that this caller spoke of before."""
        known = [fact for fact in self._ledger.slots("appointment:") if fact.event_date]
        if self._now is None or len(known) != 1:
            return
        for heard in believed:
            text = heard.clause.text
            if heard.clause.turn == known[0].turn or not _OTHER_DAY.match(text):
                continue
            for day in dates.resolve(text, self._now)[:1]:
                if day.date != known[0].event_date and day.start <= 30 and known[0].event_date:
                    old = rf"on \w+, {re.escape(dates.spoken(known[0].event_date))}.*"
                    content = re.sub(old, f"on {day.spoken()}", known[0].content)
                    yield heard.note(
                        known[0].category, content, known[0].importance, known[0].slot, day.value, confidence=0.9,
                        changes=known[0].changes, topic=known[0].topic, event_date=day.date,
                    )  # fmt: skip

    def _believed(self, clause: Clause) -> bool:
        return clause.sound and not clause.question and not clauses.doubtful(clause.before)

    def _unnamed(self, heard: Heard) -> None:
        for match in _NOT_ME.finditer(heard.clause.text):
            read = read_name(heard.clause.text, match.end())
            known = self._ledger.get("name")
            if read and known and read[0].lower() == known.value:
                self._ledger.drop("name")

    def _numbers(self, heards: list[Heard], plain: str) -> None:
        found = references(heards, plain)
        for fact in numbered(found):
            self._ledger.add(fact)
        self._one_order()
        for fact in orders(heards, found, plain):
            self._ledger.add(fact)
        done: set[tuple[int, int]] = set()
        phone_just_said, elsewhere = self._phone_just_said(heards[0])
        begun: int | None = None
        for heard in heards:
            start, end = heard.clause.sentence
            if (start, end) in done or not heard.clause.sound:
                continue
            done.add((start, end))
            coded = any(start <= reference.code.start < end for reference in found)
            if phone_just_said and not coded:
                at = start if begun is None else begun
                for fact in phone_put_right(heard, plain[at:end], at, self._region, elsewhere=elsewhere):
                    self._ledger.add(fact)
                begun = at if begins_to_put_right(plain[at:end]) else None
            if plain[start:end].rstrip().endswith("?") and heard.clause.question:
                continue
            self_said = [
                *emails(heard, plain[start:end], start),
                *phones(heard, plain[start:end], start, self._region),
            ]
            for fact in self_said:
                self._ledger.add(fact)
            if any(fact.slot == "phone" for fact in self_said):
                phone_just_said, elsewhere = True, False
            elif coded or _DIGIT.search(plain[start:end]):
                known = self._ledger.get("phone")
                corrected = known is not None and known.turn == heard.clause.turn
                phone_just_said = phone_just_said and corrected and not coded
            spelled = spelled_name(heard, plain[start:end], start)
            if spelled and not clauses.doubtful(heard.clause.before):
                self._ledger.drop("name")
                self._ledger.add(spelled)
        if not found and heards[0].clause.sound:
            for fact in partly_corrected(heards[0], plain):
                self._ledger.add(fact)

    def _phone_just_said(self, heard: Heard) -> tuple[bool, bool]:
        """Whether the turn before said a phone number, and whether the agent has asked for something else since."""
        known, turn = self._ledger.get("phone"), heard.clause.turn
        if known is None or any(between.role != "agent" for between in self._turns[known.turn + 1 : turn]):
            return False, False
        last = _last_sentences(heard.agent)
        asks_else = ("?" in last or bool(heard.asked)) and not _ABOUT_A_NUMBER.search(last)
        return True, asks_else or bool(heard.asked - {"phone", "contact"})

    def _one_order(self) -> None:
        """The number of an order takes over what was said of "my order" before."""
        known, numbers = self._ledger.get("problem:order"), self._ledger.slots("order:")
        if (
            known is None
            or len(numbers) != 1
            or numbers[0].value != "mentioned"
            or known.turn >= numbers[0].turn
        ):
            return
        content = _THE_ORDER.sub(f"Order {numbers[0].slot[6:]}", known.content)
        self._ledger.drop("problem:order")
        self._ledger.add(evolve(known, slot=numbers[0].slot, content=content))

    # -- what the agent said and the caller confirmed -----------------------------------

    def _confirmed(self, agent: list[int], index: int, text: str) -> None:
        plain = clauses.plain(text)
        first = plain.split("?")[0][:120]
        if not agent:
            return
        clause = Clause(
            text="", start=0, end=0, turn=index, before="", sentence=(0, 0), question=False, sound=True
        )
        heard = Heard(clause, text, self._now, self._ledger, behalf=self._behalf)
        if self._offered and not matters.accepts(plain):
            for fact in self._agreed_before(*self._offered, agent, heard, plain):
                self._ledger.add(fact)
        if matters.accepts(plain):
            for turn in agent:
                if not self._ours(self._turns[turn].text):
                    raw = self._turns[turn].text
                    for fact in promises(heard, turn, raw):
                        if not self._ours(fact.quote):
                            self._ledger.add(fact)
                    for fact in booked(heard, turn, raw, self._injected_days):
                        self._ledger.add(fact)
        if _CONFIRMS.match(first) and not _CONFIRMS_NOT.search(first):
            for turn in agent[-1:]:
                raw = self._turns[turn].text
                for fact in self._read_back(turn, raw):
                    self._ledger.add(fact)

    def _agreed_before(
        self, taken: int, words: str, agent: list[int], heard: Heard, plain: str
    ) -> Iterator[Fact]:
        """An appointment that the agent notes down after the caller took up the offer of that very day."""
        if self._now is None or matters.objects(plain):
            return
        offered = {day.date for day in dates.resolve(words, self._now)}
        for turn in agent:
            raw = self._turns[turn].text
            for fact in booked(heard, turn, raw, self._injected_days) if not self._ours(raw) else ():
                if fact.event_date in offered:
                    said = self._turns[taken].text
                    spans = clauses.sentences(clauses.plain(said[:LONGEST]))
                    yield evolve(fact, turn=taken, quote=verbatim(said, *spans[0]), confidence=0.75)

    def _read_back(self, turn: int, raw: str) -> Iterator[Fact]:
        """Names, numbers and addresses that the agent repeats; nothing that elaaoms itself told the agent."""
        plain = clauses.plain(raw)
        if not _READS_BACK.search(plain) or clauses.asks_for_secret(plain):
            return
        for clause in clauses.clauses(plain, turn):
            words = plain[slice(*clause.sentence)]
            if _OF_OTHERS.search(words) or not clause.sound:
                continue
            heard = Heard(evolve(clause, question=False), raw, self._now, self._ledger)
            yield from self._name_back(heard)
            yield from self._address_back(heard)
            yield from self._contact_back(heard, words)
            codes = [found for found in references([heard], plain) if not self._knows(found.code.value)]
            if _YOURS.search(words) or any(self._ledger.slots(found.kind.slot) for found in codes):
                for fact in numbered([evolve(found, labelled=True) for found in codes]):
                    yield evolve(fact, confidence=0.95, changes=False)

    def _name_back(self, heard: Heard) -> Iterator[Fact]:
        """A name that the agent says is the caller's, or repeats from the caller."""
        text, known = heard.clause.text, self._ledger.get("name")
        for match in _READ_NAME.finditer(text):
            read = read_name(text, match.end())
            if read is None or not text[match.end()].isupper() or self._knows(read[0]):
                continue
            said = known is not None and set(read[0].lower().split()) & set(known.value.split())
            if said or _NAMING.search(match[0]):
                yield named(heard, read[0], confidence=0.95, changes=False)
                return

    def _address_back(self, heard: Heard) -> Iterator[Fact]:
        """A postal address that the agent reads back to the caller whom it asked for one."""
        text = heard.clause.text
        for match in _STILL_AT.finditer(text) if not self._behalf else ():
            for fact in street(heard, text, match.end(), within=heard.clause.start):
                if not self._knows(fact.value):
                    yield evolve(fact, confidence=0.95, changes=False)
                return

    def _contact_back(self, heard: Heard, words: str) -> Iterator[Fact]:
        """An e-mail address or a phone number that the agent says is the caller's."""
        span = heard.clause.sentence
        found = []
        repeated = any(len(words[: said.start].split()) <= 1 for said in spoken.emails(words))
        if _YOURS.search(words) or repeated:
            found = [
                ("e-mail address", "email", address.value, address.value) for address in spoken.emails(words)
            ]
        if _YOUR_PHONE.search(words) and not _OTHER_NUMBER.search(words):
            for number in spoken.numbers(words, 7)[:1]:
                found.append(("phone number", "phone", number.value, e164(number.value, self._region)))
        for noun, slot, said, value in found:
            if not self._knows(said) and not self._knows(value):
                yield heard.note(
                    Category.FACTUAL, f"The caller's {noun} is {value}", 7, slot, value,
                    confidence=0.95, changes=False, span=span,
                )  # fmt: skip

    def _ours(self, text: str) -> bool:
        """Whether a text stands in what elaaoms brought into the call."""
        squashed = spoken.squash(clauses.plain(text))
        return any(
            squashed in injected or (len(injected) > 30 and injected in squashed)
            for injected in self._injected
        )

    def _knows(self, value: str) -> bool:
        """Whether a value stands in what elaaoms brought into the call."""
        squashed = spoken.squash(value)
        bare = re.sub(r"\W", "", squashed)
        return any(
            squashed in injected or (len(bare) >= 4 and bare in re.sub(r"\W", "", injected))
            for injected in self._injected
        )


_KIN_ASKED = re.compile(
    r"your (daughter|son|wife|husband|partner|mother|father|dog|cat|sister|brother)'s name", re.IGNORECASE
)
_KIN_ANSWER = re.compile(
    r"^\W*(?:(?:his name is|her name is|it's|it is|he's|she's|oh|well|that's)\s+)?", re.IGNORECASE
)


_AT = re.compile(
    r"^\W*(?:(?:yes|yeah|sure|um|uh|oh|it's|its|it is|that's|i'm at|we're at|to me|please|so|well|okay|no|actually|i live at|we live at|my address is)\b[\s,.]*)*",
    re.IGNORECASE,
)


def _answers(heard: Heard, plain: str) -> Iterator[Fact]:
    """Bare answers to what the agent asked."""
    text = heard.clause.text
    if "birth" in heard.asked and heard.now is not None:
        days = dates.resolve(plain[:200], heard.now)
        if len(days) == 1:
            yield from birth(heard, days[0], plain, (0, min(len(plain), 200)), 0.75)
    if "residence" in heard.asked:
        match = re.fullmatch(
            r"\W*(?:in |i'm in |it's |near )?(?P<where>[A-Z][\w'-]+(?: [A-Z][\w'-]+)?)\W*", text
        )
        if match and match["where"].lower() not in ("yes", "no", "why", "what", "sorry", "nowhere"):
            where = capitals(match["where"])
            yield heard.note(
                Category.FACTUAL,
                f"The caller lives in {where}",
                6,
                "residence",
                where.lower(),
                confidence=0.75,
            )
    if "address" in heard.asked and "email" not in heard.asked and not heard.behalf:
        lead = _AT.match(plain)
        yield from street(heard, plain, lead.end() if lead else 0)
    if "contact" in heard.asked:
        match = re.fullmatch(
            r"\W*(?:yes |i'd say |by |via |definitely |probably )?(?:an? |the )?(?P<channel>e-?mail|phone|text(?: message)?|sms|whatsapp|post|call)(?:,? please| is (?:best|fine|better)|,? thanks|,? thank you)?\W*",
            text, re.IGNORECASE,
        )  # fmt: skip
        if match:
            said = match["channel"].lower().replace("-", "")
            channel = {"text": "sms", "text message": "sms", "call": "phone"}.get(said, said)
            spoken_channel = {"email": "e-mail", "sms": "text message", "whatsapp": "WhatsApp"}.get(
                channel, channel
            )
            yield heard.note(
                Category.PREFERENCE,
                f"The caller prefers to be contacted by {spoken_channel}",
                8,
                "contact",
                channel,
                confidence=0.75,
            )
    if _KIN_ASKED.search(heard.agent):
        kin = _KIN_ASKED.search(heard.agent)
        lead = _KIN_ANSWER.match(text)
        read = read_name(text, lead.end() if lead else 0, most=2)
        if kin and read and not text[read[1] :].strip(" .,!"):
            yield related(heard, kin[1], read[0], (heard.clause.start, heard.clause.end))


def _asked(agent: str) -> frozenset[str]:
    """What the agent asked the caller for in the last words of its turn."""
    words = _last_sentences(agent)
    if not words or not _REQUEST.search(words):
        return frozenset()
    topics = {topic for topic, pattern in _ASKS if pattern.search(words)}
    if _OF_OTHERS.search(words):
        topics -= {"name", "email", "phone", "birth", "residence"}
    return frozenset(topics)


def _last_sentences(text: str) -> str:
    spans = clauses.sentences(text)[-2:]
    return text[spans[0][0] :] if spans else ""


def _region(conversation: Conversation) -> str:
    """The country whose national numbers the caller is likely to say, from the numbers of the call."""
    hints = conversation.hints
    for number in (
        hints.external_number,
        hints.sms_number,
        hints.caller_id,
        hints.agent_number,
        hints.called_number,
    ):
        try:
            return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
        except phonenumbers.NumberParseException:
            continue
    return ""


# -- what needs no grammar --------------------------------------------------------------

_WRITTEN_PHONE = re.compile(r"(?<![\w@.-])\+?\(?\d[\d ()/.-]{6,20}\d(?![\w@-])")
_WRITTEN_CODE = re.compile(
    r"(?<![\w@.-])(?=[A-Z0-9-]*[A-Z])(?=(?:[A-Z-]*\d){3})[A-Z0-9]{1,10}(?:-[A-Z0-9]{1,12}){0,3}(?![\w@-])"
)


def _without_grammar(conversation: Conversation) -> list[Fact]:
    """Addresses and numbers of a call in another language than English."""
    ledger = Ledger()
    region, agent = _region(conversation), ""
    for index, turn in enumerate(conversation.turns):
        if turn.role == "agent":
            agent = turn.text or agent
            continue
        if clauses.asks_for_secret(agent) or not turn.text:
            continue
        text = clauses.plain(turn.text[:LONGEST])
        for start, end in clauses.sentences(text):
            part = text[start:end]
            if clauses.secret(part) or clauses.addressed_to_the_model(part) or not _own(part):
                continue
            for fact in _neutral(part, start, index, turn.text, region):
                ledger.add(fact)
    return list(ledger)


# Without grammar it cannot be told whose number a long sentence gives, unless it says "mine".
_MINE = re.compile(
    r"\b(?:mein\w*|mir|mich|ich|mi|mis|mí|yo|mon|ma|mes|moi|je|j|meu|minha|eu|mio|mia|io|mijn|ik|min|mitt|jag|jeg|mój|moja|moje)\b",
    re.IGNORECASE,
)
_SOMEBODY = re.compile(
    r"\b(?:kund\w+|anrufer\w*|herrn?|client\w*|cliente\w*|appelant\w*|monsieur|madame|señora?|sein\w*|su|sus|lui|leur|"
    r"frau|mann|mutter|vater|schwester|bruder|tochter|sohn|mujer|marido|madre|padre|hermana|hermano|hija|hijo|femme|mari|mère|père|"
    r"sœur|frère|fille|fils)\b",
    re.IGNORECASE,
)


def _own(part: str) -> bool:
    """Whether a sentence in another language can only give the caller's own address or number."""
    if _SOMEBODY.search(part):
        return False
    return len(re.findall(r"[^\W\d_]{2,}", part)) <= 7 or _MINE.search(part) is not None


def _neutral(part: str, start: int, turn: int, raw: str, region: str) -> Iterator[Fact]:
    clause = Clause(
        text=part,
        start=start,
        end=start + len(part),
        turn=turn,
        before="",
        sentence=(start, start + len(part)),
        question=False,
        sound=True,
    )
    heard = Heard(clause, raw, None, Ledger())
    for address in spoken.emails(part):
        if "@" in part[address.start : address.end]:
            yield heard.note(
                Category.FACTUAL, f"E-mail: {address.value}", 7, "email", address.value, changes=False
            )
    for match in _WRITTEN_CODE.finditer(part):
        if kept(match[0], part):
            yield heard.note(
                Category.FACTUAL,
                f"Reference: {match[0]}",
                7,
                f"reference:{match[0]}",
                match[0].lower(),
                changes=False,
            )
    for match in _WRITTEN_PHONE.finditer(part):
        digits = re.sub(r"[^\d+]", "", match[0])
        if (
            not 7 <= len(digits.lstrip("+")) <= 15
            or clauses.luhn(digits)
            or re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", match[0])
        ):
            continue
        value = e164(digits, region)
        if value.startswith("+"):
            parsed = phonenumbers.parse(value)
            written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
            yield heard.note(Category.FACTUAL, f"Phone: {written}", 7, "phone", value, changes=False)


def _collected(conversation: Conversation, facts: list[Fact]) -> list[Fact]:
    """Results of ElevenLabs' data collection whose value a caller's turn says."""
    if not conversation.collected:
        return []
    found: list[Fact] = []
    known = {_bare(fact.value) for fact in facts} | {_bare(fact.slot.rsplit(":", 1)[-1]) for fact in facts}
    said: list[tuple[int, int, int, str]] = []
    agent = ""
    for index, turn in enumerate(conversation.turns):
        if turn.role == "agent":
            agent = turn.text or agent
        elif not clauses.asks_for_secret(agent):
            text = clauses.plain(turn.text[:LONGEST])
            for start, end in clauses.sentences(text):
                if not clauses.secret(text[start:end]) and not clauses.addressed_to_the_model(
                    text[start:end]
                ):
                    said.append((index, start, end, spoken.squash(text[start:end])))
    for item in conversation.collected:
        label = " ".join(re.sub(r"[_\W]+", " ", item.label).split())
        value = " ".join(item.value.split())
        if (
            not label
            or len(value) < 2
            or value.lower() in ("true", "false", "none", "null", "unknown", "n/a")
            or len(value) > 120
        ):
            continue
        if (
            _SECRET_LABEL.search(label)
            or _STATUS_LABEL.search(label)
            or _bare(value) in known
            or not kept(value.upper(), value)
        ):
            continue
        if clauses.addressed_to_the_model(value) or clauses.secret(value):
            continue
        where = next(((index, start, end) for index, start, end, words in said if _says(words, value)), None)
        if where is None:
            continue
        index, start, end = where
        raw = conversation.turns[index].text
        if raw[start:end].rstrip().endswith("?") or clauses.doubtful(clauses.plain(raw[start:end])):
            continue
        known.add(_bare(value))
        found.append(
            Fact(
                category=Category.FACTUAL, content=sentence(f"{label}: {value}"), importance=5, confidence=0.8,
                quote=verbatim(raw, start, end), turn=index, slot=f"collected:{label.lower()}", value=value.lower(),
            )
        )  # fmt: skip
    return found


def _bare(text: str) -> str:
    return re.sub(r"\W", "", text.lower())


def _says(words: str, value: str) -> bool:
    """Whether squashed words contain a value, as words or, for numbers and codes, as characters."""
    squashed = spoken.squash(value)
    if squashed.strip() and squashed in words:
        return True
    bare = _bare(squashed)
    return sum(map(str.isdigit, bare)) >= 3 and bare in _bare(words)
