"""A signed statement of a citizen's tier, for a bank say: given to the citizen when asked for.

It holds the tier and how long it is good, under an id of its own; no score, name or number.
Whoever receives it checks it with the published keys (docs/publication.md) and asks nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import func, select

from app.benefits import queries, refusals
from app.disputes.queries import RECORD, find_disputed
from app.kernel.database import transaction
from app.kernel.detached import sign_detached
from app.kernel.errors import refusal
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.queries import consent_basis
from app.scoring.queries import current_tier
from app.trail.operations import Actor, record_access

STATEMENT: Final = "statement"


@dataclass(frozen=True)
class SignedStatement:
    """The exact text that was signed, and its detached JWS."""

    statement: str
    signature: str


def sign_statement(*, keys: KeyProvider, citizen_id: UUID, benefit_code: str) -> SignedStatement:
    """A statement of the tier of now, with whether a record behind it is disputed.

    Refuses `benefit_unknown`, also for benefits of other kinds; without the consent to tell its
    receiver `consent_missing`, or `consent_stale` where the text has changed since.
    """
    benefit = queries.find_current(code=benefit_code)
    if benefit is None or benefit.kind != STATEMENT:
        raise refusals.BenefitUnknown
    with transaction() as session:
        if benefit.consent_purpose is not None:
            asked = func.citizen_consent_state(citizen_id, benefit.consent_purpose)
            state = session.scalar(select(asked))
            if state != "given":
                raise refusal("consent_stale" if state == "stale" else "consent_missing")
        moment = session.execute(select(func.clock_timestamp())).scalar_one()
        until = moment + timedelta(seconds=benefit.voucher_life_seconds)
        text = orjson.dumps(
            {
                "kind": "tier_statement", "statement_id": new_id(), "benefit_code": benefit.code,
                "tier": current_tier(citizen_id),
                "is_disputed": bool(find_disputed(kind=RECORD, citizen_ids=[citizen_id])),
                "valid_from": moment, "valid_until": until,
            },
            option=orjson.OPT_UTC_Z,
        )  # fmt: skip
        purposes = [] if benefit.consent_purpose is None else [benefit.consent_purpose]
        record_access(
            citizen_id=citizen_id, actor=Actor("citizen", citizen_id), action="sign_statement",
            fields=["tier"], basis=consent_basis(citizen_id=citizen_id, purposes=purposes),
        )
    return SignedStatement(text.decode(), sign_detached(keys=keys, payload=text))
