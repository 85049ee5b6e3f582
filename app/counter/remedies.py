"""What a holder may ask for and follow during a visit: objections, repairs, complaints, a copy.

The same operations as on a phone, with the same refusals and terms.  Each act stands in the
holder's trail, in the transaction of the act itself, and is told by text message where there is a
phone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.complaints import operations as complaints
from app.complaints.operations import NewComplaint, OpenedComplaint
from app.counter import notices
from app.counter.notices import tell
from app.counter.visits import require_visit
from app.kernel.database import transaction
from app.kernel.keys import KeyProvider
from app.members.profiles import NamedTrailLine, my_trail
from app.objections import operations as objections
from app.objections.clocks import Clocks
from app.objections.items import Statement
from app.objections.queries import WholeObjection, list_own
from app.repairs import operations as repairs
from app.repairs.operations import OwnAdverse, Request
from app.repairs.queries import Repair
from app.rights import copies
from app.rights.queries import AskedCopy, list_copies
from app.service_orders.queries import Order, list_orders

SHOWN: Final = 20  # of each kind, the latest first
KINDS: Final = ("objections", "adverse_records", "repairs", "complaints", "copies", "orders")


@dataclass(frozen=True)
class Cases:
    """What the holder has asked for and what came of it, and what more may be asked about."""

    objections: tuple[WholeObjection, ...]
    adverse_records: tuple[OwnAdverse, ...]
    repairs: tuple[Repair, ...]
    complaints: tuple[OpenedComplaint, ...]
    copies: tuple[AskedCopy, ...]
    orders: tuple[Order, ...]


def show_cases(*, keys: KeyProvider, operator_id: UUID, visit_id: UUID) -> Cases:
    """The holder's objections, repairs, complaints, copies and orders, to be read out.

    Refuses `visit_unknown`, `visit_over`.
    """
    with transaction():
        visit = require_visit(operator_id=operator_id, visit_id=visit_id)
        visit.record(action="visit_read", fields=KINDS)
        who = visit.citizen_id
        return Cases(
            objections=tuple(
                objections.show_own(keys=keys, citizen_id=who, objection_id=line.objection_id)
                for line in list_own(citizen_id=who, limit=SHOWN)
            ),
            adverse_records=tuple(repairs.list_own_adverse(citizen_id=who)),
            repairs=tuple(repairs.list_own_repairs(keys=keys, citizen_id=who)),
            complaints=tuple(
                complaints.list_own(keys=keys, citizen_id=who, limit=SHOWN, before=None)
            ),
            copies=tuple(list_copies(citizen_id=who)),
            orders=tuple(list_orders(citizen_id=who, limit=SHOWN)),
        )


def show_trail(
    *, operator_id: UUID, visit_id: UUID, limit: int, before: UUID | None = None
) -> list[NamedTrailLine]:
    """Who looked at the holder's data, in plain words to be read out, the newest first.

    Refuses `visit_unknown`, `visit_over`.
    """
    with transaction():
        visit = require_visit(operator_id=operator_id, visit_id=visit_id)
        visit.record(action="visit_read", fields=("trail",))
        return my_trail(citizen_id=visit.citizen_id, limit=limit, before=before)


def file_objection(
    *, keys: KeyProvider, clocks: Clocks, operator_id: UUID, visit_id: UUID, objection_id: UUID,
    statement: Statement,
) -> WholeObjection:
    """File an objection for the holder, in the holder's words.

    Refuses `visit_unknown`, `visit_over`, and what the holder is refused.
    """
    return objections.file_objection(
        keys=keys, clocks=clocks, citizen_id=_holder(operator_id, visit_id),
        objection_id=objection_id, statement=statement,
        beside=_beside(
            operator_id, visit_id, "visit_objection_filed", notices.OBJECTION_FILED
        ),
    )


def ask_second_look(
    *, keys: KeyProvider, clocks: Clocks, operator_id: UUID, visit_id: UUID, objection_id: UUID
) -> WholeObjection:
    """Have a rejected objection of the holder decided again.

    Refuses `visit_unknown`, `visit_over`, and what the holder is refused.
    """
    return objections.ask_second_look(
        keys=keys, clocks=clocks, citizen_id=_holder(operator_id, visit_id),
        objection_id=objection_id,
        beside=_beside(
            operator_id, visit_id, "visit_second_look_asked", notices.SECOND_LOOK_ASKED
        ),
    )


def ask_repair(
    *, keys: KeyProvider, decide_days: int, operator_id: UUID, visit_id: UUID,
    application_id: UUID, request: Request,
) -> Repair:
    """Ask for the holder that an adverse record ends before its term does.

    Refuses `visit_unknown`, `visit_over`, and what the holder is refused.
    """
    return repairs.ask_repair(
        keys=keys, decide_days=decide_days, citizen_id=_holder(operator_id, visit_id),
        application_id=application_id, request=request,
        beside=_beside(operator_id, visit_id, "visit_repair_asked", notices.REPAIR_ASKED),
    )


def complain(
    *, keys: KeyProvider, operator_id: UUID, visit_id: UUID, new: NewComplaint
) -> OpenedComplaint:
    """Complain for the holder about a redemption of theirs.

    Refuses `visit_unknown`, `visit_over`, and what the holder is refused.
    """
    return complaints.complain(
        keys=keys, citizen_id=_holder(operator_id, visit_id), new=new,
        beside=_beside(operator_id, visit_id, "visit_complaint_made", notices.COMPLAINT_MADE),
    )


def hand_over_copy(*, operator_id: UUID, visit_id: UUID, copy_id: UUID) -> copies.Ticket:
    """What opens a copy of everything that is kept of the holder, told once, to hand over.

    The visit is the fresh proof of who asks.  Refuses `visit_unknown`, `visit_over`,
    `copy_asked_recently`, `copy_unknown`, IdReused.
    """
    return copies.ask_copy(
        citizen_id=_holder(operator_id, visit_id), copy_id=copy_id,
        beside=_beside(operator_id, visit_id, "visit_copy_handed", notices.COPY_HANDED),
    )


def _holder(operator_id: UUID, visit_id: UUID) -> UUID:
    """Whose visit it is; what follows looks once more, in its own transaction."""
    with transaction():
        return require_visit(operator_id=operator_id, visit_id=visit_id).citizen_id


def _beside(operator_id: UUID, visit_id: UUID, action: str, what: str) -> Callable[[], None]:
    """What stands in the transaction of an act: the visit is open, its line, its message."""

    def beside() -> None:
        visit = require_visit(operator_id=operator_id, visit_id=visit_id)
        visit.record(action=action)
        tell(citizen_id=visit.citizen_id, what=what)

    return beside
