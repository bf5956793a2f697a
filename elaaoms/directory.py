"""Who is who: from what a request says about its caller to the key that memories are filed under."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from attrs import evolve, frozen

from elaaoms.calls import Caller, CallStore
from elaaoms.identity import Address, Hints, caller_key, candidates, parse
from elaaoms.webhooks import Conversation


@frozen
class Identified:
    """A caller who can be told from others."""

    caller: str
    address: Address


class Directory:
    """Finds callers. `secret` makes the keys: they cannot be guessed from a phone number.

    `own` starts with the numbers of our side that calls have named, and learns new ones.
    """

    def __init__(
        self,
        calls: CallStore,
        secret: bytes,
        *,
        region: str,
        variables: Iterable[str],
        own: Iterable[str] = (),
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._calls = calls
        self._secret = secret
        self._region = region
        self._variables = tuple(variables)
        self.own: set[str] = set(own)
        self.aliases: dict[str, str] = dict(aliases)  # callers that were found to be somebody known already

    def key(self, address: Address) -> str:
        """The caller key of an address."""
        key = address.value if address.kind == "key" else caller_key(address, self._secret)
        return self.aliases.get(key, key)

    def digest(self, text: str) -> str:
        """A keyed digest that only this installation can make, in hex."""
        return hmac.new(self._secret, f"digest {text}".encode(), "sha256").hexdigest()

    def pseudonym(self, conversation_id: str) -> str:
        """What the audit trail calls a conversation, for ever: its own id is erased with its caller."""
        return f"call_{self.digest(f'audit {conversation_id}')[:32]}"

    def same(self, one: str, other: str) -> bool:
        """Whether two digests are equal, in constant time."""
        return hmac.compare_digest(one.encode(), other.encode())

    async def identify(self, hints: Hints) -> Identified | None:
        """The caller, or None for somebody who cannot be told from others.

        A key of ours that comes back counts when we know its caller; otherwise the next hint is
        asked first, because the key was made from it.
        """
        unknown_key = None
        for address in candidates(hints, region=self._region, own=self.own):
            if address.kind != "key":
                return Identified(self.key(address), address)
            if await self._calls.caller(address) is not None:
                return Identified(self.key(address), address)
            unknown_key = unknown_key or Identified(self.key(address), address)
        return unknown_key

    async def identify_call(self, conversation: Conversation) -> Identified | None:
        """The caller of a finished conversation."""
        named = (conversation.variables.get(name, "") for name in self._variables)
        if variables := tuple(filter(None, named)):
            return await self.identify(evolve(conversation.hints, variables=variables))
        return await self.identify(conversation.hints)

    def own_numbers(self, conversation: Conversation) -> list[str]:
        """The number of our side that a conversation names, if it is new."""
        address = parse(conversation.hints.agent_number, self._region)
        known = address is None or address.kind != "tel" or address.value in self.own
        return [] if address is None or known else [address.value]

    async def language(self, caller: str) -> str:
        """The language that a caller spoke last, like "en"; empty if that is not known."""
        known = await self._calls.caller(Address("key", caller))
        return known.language if known is not None else ""

    async def find(self, text: str) -> Caller | None:
        """The caller that an operator means: a number in E.164, a user id or a caller key."""
        address = parse(text, self._region)
        if address is None:
            return None
        known = await self._calls.caller(address)
        return known or await self._calls.caller(Address("key", self.key(address)))

    def address(self, text: str) -> Address | None:
        """The address that an operator wrote."""
        return parse(text, self._region)
