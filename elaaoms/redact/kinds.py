"""What counts as a secret, and what is done with each kind of it."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """A kind of secret; `pin` also stands for one-time codes, `ssn` for its counterparts elsewhere."""

    CARD = "card"
    SSN = "ssn"
    IBAN = "iban"
    PASSWORD = "password"  # noqa: S105
    PIN = "pin"
    CVV = "cvv"
    CUSTOM = "custom"
