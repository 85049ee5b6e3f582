"""Who stands before an operator: found by the identity card, with a fresh code and a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.kernel.keys import KeyProvider
from app.members import operations as members
from app.members.id_numbers import parse_id_number
from app.members.queries import find_citizen_id
from app.trail.operations import require_reason


@dataclass(frozen=True)
class Present:
    """Whom an operator has in front of them: the identity card was looked at."""

    id_number: str = field(repr=False)
    reason: str
    totp: str = field(repr=False)


def require_present(
    *, keys: KeyProvider, operator_id: UUID, person: Present
) -> tuple[UUID, str]:
    """The citizen, and the reason in its spelling.

    Refuses `reason_needed`, `reason_names_person`, `id_number_invalid`, `second_factor_refused`,
    `too_many_sign_ins`, `citizen_not_found`.
    """
    reason = require_reason(person.reason)
    number = parse_id_number(person.id_number)
    members.confirm_second_factor(keys=keys, staff_id=operator_id, totp=person.totp)
    citizen_id = find_citizen_id(keys=keys, purpose="id_number", value=number.value)
    if citizen_id is None:
        raise members.CitizenNotFound
    return citizen_id, reason
