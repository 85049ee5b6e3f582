"""What a complaint can be about: a closed list."""

from __future__ import annotations

from typing import Final

CATEGORIES: Final = (
    "refused", "worse_than_promised", "extra_charge", "attitude", "privacy", "other",
)  # fmt: skip
