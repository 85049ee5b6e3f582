"""What a benefit would bring now: of a guarantee, what the lines that carry it out would give."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.benefits.operations import Offer
from app.kernel.keys import KeyProvider
from app.redemptions import eligibility
from app.scoring.outlook import Way
from app.service_orders.operations import OfferedLine, list_offered_lines
from app.service_orders.refusals import GuaranteeLineUnknown


@dataclass(frozen=True)
class Eligibility:
    """A claim or an order that was not made, and the codes of all its refusals.

    `lines` are those of a guarantee; its `reasons` are those of the line that gives most.
    """

    offer: Offer
    reasons: tuple[str, ...]
    ways: tuple[Way, ...]
    lines: tuple[OfferedLine, ...] = ()


def open_eligibility(*, keys: KeyProvider, citizen_id: UUID, benefit_code: str) -> Eligibility:
    """Try a claim, or of a guarantee an order, without making it.  Refuses `benefit_unknown`."""
    tried = eligibility.open_eligibility(
        keys=keys, citizen_id=citizen_id, benefit_code=benefit_code
    )
    if tried.offer.benefit.kind != "guarantee":
        return Eligibility(tried.offer, tried.reasons, tried.ways)
    lines = list_offered_lines(citizen_id=citizen_id, benefit_code=benefit_code)
    best = max(lines, key=lambda one: (not one.reasons, one.available_fen), default=None)
    reasons = (GuaranteeLineUnknown.code,) if best is None else best.reasons
    return Eligibility(tried.offer, reasons, tried.ways, tuple(lines))
