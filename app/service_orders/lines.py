"""Guarantee lines: one operator proposes, another confirms; a line is never changed.

The guarantor carries the money; what stands here is who that is, for whom and how much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.benefits.queries import PublishedBenefit, find_current
from app.benefits.refusals import BenefitUnknown
from app.benefits.values import Value, value_for
from app.kernel.clock import city_today
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import IdReused
from app.merchants.credit_codes import parse_credit_code
from app.scoring.queries import scheme_in_force
from app.scoring.rules import Tier
from app.service_orders.models import GuaranteeLine, GuaranteeLineDecision
from app.service_orders.queries import Line, find_line
from app.service_orders.refusals import (
    GuaranteeLineContradicts,
    GuaranteeLineTaken,
    GuaranteeLineUnknown,
    GuaranteeLineUnsound,
    GuarantorUnfit,
)
from app.trail.assessments import require_covered
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

CLINIC_GUARANTORS: Final = ("bank", "hospital")
_AMOUNT_WORDS: Final = ("deposit_waived_up_to_fen", "pay_later_up_to_fen")
_DAYS_WORD: Final = "pay_later_days"


@dataclass(frozen=True)
class NewLine:
    """What an operator proposes; `tiers` says how many fen each tier may use at a time.

    What is not back when the time of use is over can be billed or claimed `claim_within_seconds`
    longer: so long the hold outlives the use.
    """

    kind: str
    name: str
    guarantor_kind: str
    guarantor_code: str
    guarantor_name: str
    merchant_ids: list[UUID]
    tiers: Mapping[str, int]
    confirm_above_fen: int
    start_within_seconds: int
    use_within_seconds: int
    claim_within_seconds: int
    pay_within_days: int
    collection: str
    benefit_code: str


def propose_line(*, operator_id: UUID, line_id: UUID, line: NewLine, reason: str) -> Line:
    """Propose a line under an id that the caller made; the same again changes nothing.

    Refuses `credit_code_invalid`, `guarantor_unfit`, `guarantee_line_unsound`, `benefit_unknown`,
    `guarantee_line_contradicts`, `reason_needed`, `id_reused`.
    """
    given = require_reason(reason)
    code = parse_credit_code(line.guarantor_code)
    facts = vars(line) | {"tiers": dict(line.tiers), "guarantor_code": code}
    with transaction() as session:
        _require_fitting(line)
        added = session.scalar(
            insert(GuaranteeLine)
            .values(line_id=line_id, proposed_by=operator_id, **facts)
            .on_conflict_do_nothing()
            .returning(GuaranteeLine.line_id)
        )
        held = session.get_one(GuaranteeLine, line_id)
        if any(getattr(held, name) != value for name, value in facts.items()):
            raise IdReused
        if added is not None:
            record_act(
                actor=Actor("operator", operator_id), action="guarantee_line_proposed",
                subject=str(line_id), reason=given,
            )
        return _found(line_id)


def confirm_line(*, operator_id: UUID, line_id: UUID, reason: str) -> Line:
    """Another operator's yes: from now on the line can be used.

    Refuses `guarantee_line_unknown`, `second_person_needed`, `guarantee_line_taken`,
    `guarantee_line_contradicts` when another version of the benefit was published meanwhile, and
    `assessment_missing`: what a counter learns is shared, and of a clinic it is sensitive.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = session.get(GuaranteeLine, line_id)
        if held is None:
            raise GuaranteeLineUnknown
        if held.proposed_by == operator_id:
            raise SecondPersonNeeded
        if held.benefit_code is not None:
            _require_as_published(held, held.benefit_code, _tiers())
        require_covered(kind="sensitive" if held.kind == "clinic" else "sharing", what=held.kind)
        decided = session.scalar(
            insert(GuaranteeLineDecision)
            .values(line_id=line_id, decided_by=operator_id)
            .on_conflict_do_nothing()
            .returning(GuaranteeLineDecision.line_id)
        )
        if decided is None:
            raise GuaranteeLineTaken
        record_act(
            actor=Actor("operator", operator_id), action="guarantee_line_confirmed",
            subject=str(line_id), reason=given,
        )
        return _found(line_id)


def _found(line_id: UUID) -> Line:
    found = find_line(line_id=line_id)
    assert found is not None, "it was just read"
    return found


def _require_fitting(line: NewLine) -> None:
    """A bank or a hospital lends for a clinic; a tier never gets less than the one below it."""
    if line.kind == "clinic" and line.guarantor_kind not in CLINIC_GUARANTORS:
        raise GuarantorUnfit
    tiers = _tiers()
    known = [tier.code for tier in tiers]
    amounts = [line.tiers.get(code, 0) for code in known]
    if not set(line.tiers) <= set(known) or amounts != sorted(amounts):
        raise GuaranteeLineUnsound(tiers=known)
    _require_as_published(line, line.benefit_code, tiers)


def _tiers() -> list[Tier]:
    """The tiers of the scheme in force, the lowest first."""
    scheme = scheme_in_force(on=city_today(transaction_required()))
    return sorted(scheme.tiers, key=lambda tier: tier.least_total) if scheme else []


def _require_as_published(
    line: NewLine | GuaranteeLine, benefit_code: str, tiers: Sequence[Tier]
) -> None:
    """Each tier gets at least what the benefit in force publishes, and confirms as it says."""
    benefit = find_current(code=benefit_code)
    if benefit is None:
        raise BenefitUnknown
    fits = benefit.kind == "guarantee" and benefit.consent_purpose == line.kind
    if not fits or benefit.honours:  # a line knows tiers, and nobody's honours
        raise GuaranteeLineContradicts(version=benefit.version)
    values = _published_by_tier(benefit, tiers)
    least_fen = {
        code: max(int(value.get(word, 0)) for word in _AMOUNT_WORDS)
        for code, value in values.items()
    }
    least_days = max((int(value.get(_DAYS_WORD, 0)) for value in values.values()), default=0)
    above_fen = benefit.confirm_above_fen
    if above_fen is None:  # the catalogue leaves it to the line
        above_fen = line.confirm_above_fen
    is_less = any(line.tiers.get(code, 0) < fen for code, fen in least_fen.items())
    if is_less or line.pay_within_days < least_days or line.confirm_above_fen != above_fen:
        raise GuaranteeLineContradicts(
            version=benefit.version, tiers_fen=least_fen, pay_within_days=least_days,
            confirm_above_fen=above_fen,
        )


def _published_by_tier(benefit: PublishedBenefit, tiers: Sequence[Tier]) -> dict[str, Value]:
    """What everybody in a tier is promised at most: by steps, what its highest score is."""
    top = max((step["least_score"] for step in benefit.score_steps), default=0)
    highest = [*(above.least_total - 1 for above in tiers[1:]), top]
    return {
        tier.code: value_for(
            baseline=benefit.baseline, tiers=benefit.tiers, steps=benefit.score_steps,
            tier=tier.code, total=max(total, tier.least_total),
        )
        for tier, total in zip(tiers, highest, strict=False)
    }  # fmt: skip
