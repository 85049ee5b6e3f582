"""The words of reports and applications, as they stand in bodies and columns."""

from __future__ import annotations

from typing import Final

EVIDENCE: Final = ("death_certificate", "household_cancelled", "court_declaration")
RELATIONS: Final = (
    "spouse", "parent", "child", "sibling", "grandparent", "grandchild", "named",
)  # fmt: skip
COPY: Final = "copy"
CORRECTION: Final = "correction"
DELETION: Final = "deletion"
WISHES: Final = (COPY, CORRECTION, DELETION)
GRANTED: Final = "granted"
OUTCOMES: Final = (GRANTED, "rejected")
TEXT_MAX_CHARS: Final = 1_000
