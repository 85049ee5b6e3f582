"""Guarantee lines: one operator proposes, another confirms; a line is never changed.

The guarantor carries the money; what stands here is who that is, for whom and how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.kernel.clock import city_today
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import IdReused
from app.merchants.credit_codes import parse_credit_code
from app.scoring.queries import scheme_in_force
from app.service_orders.models import GuaranteeLine, GuaranteeLineDecision
from app.service_orders.queries import Line, find_line
from app.service_orders.refusals import (
    GuaranteeLineTaken,
    GuaranteeLineUnknown,
    GuaranteeLineUnsound,
    GuarantorUnfit,
)
from app.trail.assessments import require_covered
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

CLINIC_GUARANTORS: Final = ("bank", "hospital")


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


def propose_line(*, operator_id: UUID, line_id: UUID, line: NewLine, reason: str) -> Line:
    """Propose a line under an id that the caller made; the same again changes nothing.

    Refuses `credit_code_invalid`, `guarantor_unfit`, `guarantee_line_unsound`, `reason_needed`,
    `id_reused`.
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
    `assessment_missing`: what a counter learns is shared, and of a clinic it is sensitive.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = session.get(GuaranteeLine, line_id)
        if held is None:
            raise GuaranteeLineUnknown
        if held.proposed_by == operator_id:
            raise SecondPersonNeeded
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
    scheme = scheme_in_force(on=city_today(transaction_required()))
    order = sorted(scheme.tiers, key=lambda tier: tier.least_total) if scheme else []
    known = [tier.code for tier in order]
    amounts = [line.tiers.get(code, 0) for code in known]
    if not set(line.tiers) <= set(known) or amounts != sorted(amounts):
        raise GuaranteeLineUnsound(tiers=known)
