"""What a claim would bring, everything that stands against it, and which ways lead to more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from app.benefits.keys import CLAIMED_KINDS
from app.benefits.operations import Offer, open_offer
from app.benefits.queries import PublishedBenefit, list_stacking_codes
from app.kernel.database import transaction, transaction_required
from app.kernel.keys import KeyProvider
from app.redemptions import queries
from app.scoring.operations import open_outlook
from app.scoring.outlook import Way


@dataclass(frozen=True)
class Eligibility:
    """A claim that was not made: what it would bring, and the codes of all its refusals.

    `reasons` empty: it would be accepted now.  `ways` lead towards the next tier or step.
    """

    offer: Offer
    reasons: tuple[str, ...]
    ways: tuple[Way, ...]


def open_eligibility(
    *, keys: KeyProvider, citizen_id: UUID, benefit_code: str
) -> Eligibility:
    """Try a claim without making it.  Refuses `benefit_unknown`."""
    with transaction():
        offer = open_offer(citizen_id=citizen_id, benefit_code=benefit_code)
        reasons = [*claim_refusals(citizen_id=citizen_id, benefit=offer.benefit)]
    if offer.why_not is not None:
        reasons.append(offer.why_not)
        if offer.why_not == "out_of_stock" and offer.missing_points:
            reasons.append("insufficient_points")
    ways: tuple[Way, ...] = ()
    if offer.next_tier is not None:
        ways = open_outlook(keys=keys, citizen_id=citizen_id).ways
    return Eligibility(offer, tuple(reasons), ways)


def claim_refusals(*, citizen_id: UUID, benefit: PublishedBenefit) -> Iterator[str]:
    """Why this citizen cannot claim this now, each only looked for when it is asked for.

    In the open transaction; a claim stops at the first.  Stock and points are not among them.
    """
    session = transaction_required()
    if benefit.kind not in CLAIMED_KINDS:
        yield "not_claimable"
    if not session.scalar(select(func.citizen_is_active(citizen_id))):
        yield "card_inactive"
    if benefit.stacking_group is not None:
        group = list_stacking_codes(stacking_group=benefit.stacking_group)
        if queries.holds_any(citizen_id=citizen_id, benefit_codes=group):
            yield "other_voucher_held"
    if benefit.claim_limits:
        counts = {limit["period"]: limit["count"] for limit in benefit.claim_limits}
        claimed = queries.count_claims_in_periods(
            citizen_id=citizen_id, benefit_code=benefit.code, periods=list(counts)
        )
        if any(claimed[period] >= count for period, count in counts.items()):
            yield "claim_limit_reached"
