"""What a citizen keeps: a text and its signature, to be checked with the published keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SignedReceipt:
    """The exact text that was signed, and its detached JWS."""

    receipt: str
    signature: str
