"""What a library may know of who stands before it, and nothing else.

A library is whoever takes a benefit with the word `books`; its figures are the catalogue's.  The
tier is told with the consent to `library` alone; without it everybody gets the baseline, and
nobody less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.benefits.queries import GrantedValue, list_values_at
from app.kernel.database import transaction_required
from app.library.queries import list_live_kinds
from app.library.refusals import NotALibrary
from app.members.queries import consent_basis, consent_state
from app.scoring.queries import current_tier
from app.trail.operations import Actor, record_access

PURPOSE: Final = "library"  # the consent that tells a library the tier
READER: Final = "reader"
CHILDREN: Final = "children"
KINDS: Final = (READER, CHILDREN)  # of waivers
_BOOKS: Final = "books"
_CHILDRENS: Final = "childrens_books_deposit_free"


@dataclass(frozen=True)
class Standing:
    """What is due to somebody at a library now.

    `eligible`: better than what everybody gets.  `deposit_waived`: by the tier of now, or by a
    waiver that stands here.  `waivers`: the kinds of those that stand here.
    """

    eligible: bool
    tier: str | None
    books: int
    childrens_books_deposit_free: int
    deposit_waived: bool
    waivers: tuple[str, ...] = ()

    def waives(self, kind: str) -> bool:
        """Whether a new waiver of this kind may be registered."""
        return self.deposit_waived if kind == READER else self.childrens_books_deposit_free > 0


def standing_of_all(*, merchant_id: UUID) -> Standing:
    """What everybody gets, with or without a card.  Refuses `not_a_library`."""
    given = list_values_at(merchant_id=merchant_id, citizen_id=None)
    return _standing(given, tier=None)


def standing_of(*, citizen_id: UUID, merchant_id: UUID) -> Standing:
    """What a citizen gets by the rules of now, whatever stands.  Refuses `not_a_library`."""
    given = list_values_at(merchant_id=merchant_id, citizen_id=citizen_id)
    told = consent_state(citizen_id=citizen_id, purpose=PURPOSE) == "given"
    return _standing(given, tier=current_tier(citizen_id) if told else None)


def tell_standing(
    *, citizen_id: UUID, merchant_id: UUID, shop_name: str, actor: Actor
) -> Standing:
    """What a citizen gets here, told to a library: with its line in the access trail."""
    transaction_required()
    found = standing_of(citizen_id=citizen_id, merchant_id=merchant_id)
    kinds = list_live_kinds(citizen_id=citizen_id, merchant_id=merchant_id)
    record_access(
        citizen_id=citizen_id, actor=actor, action="library_ask",
        fields=["benefits"] if found.tier is None else ["benefits", "tier"], reason=shop_name,
        basis=consent_basis(
            citizen_id=citizen_id, purposes=[] if found.tier is None else [PURPOSE]
        ),
    )
    return Standing(
        found.eligible, found.tier, found.books, found.childrens_books_deposit_free,
        found.deposit_waived or READER in kinds, kinds,
    )


def _standing(given: Sequence[GrantedValue], *, tier: str | None) -> Standing:
    lending = [one for one in given if _BOOKS in one.value]
    if not lending:
        raise NotALibrary
    children = [one for one in given if _CHILDRENS in one.value]
    return Standing(
        eligible=any(one.improved for one in (*lending, *children)),
        tier=tier,
        books=max(one.value[_BOOKS] for one in lending),
        childrens_books_deposit_free=max((one.value[_CHILDRENS] for one in children), default=0),
        deposit_waived=any(one.value.get("deposit_waived", False) for one in lending),
    )
