"""Deaths for requests that work: each time somebody new, reported by the others' operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from app.counter.presence import Present
from app.deaths import operations, papers, relatives
from app.deaths.operations import Death
from app.deaths.terms import Terms
from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.orders import Made
from tests.contract.world import Party, World
from tests.counter.desk import Holder, code_after_wrong_ones, fresh_code, make_holder
from tests.members.api import keys_of
from tests.members.people import made_up_member
from tests.objections.desk import PNG
from tests.redemptions.builders import make_staff

REASON = "家属持证明到窗口申报"
DEATH = Death(date(2026, 5, 30), "death_certificate")
REPORT = "/death-reports/<uuid:report_id>"
APPLICATION = "/relative-applications/<uuid:application_id>"
ARRANGEMENT = "/me/death-arrangement"


def totp(world: World, party: Party) -> str:
    """A fresh code of the party's operator."""
    return code_after_wrong_ones(world.app, party.callers[Role.OPERATOR].subject_id)


def _somebody(world: World) -> tuple[UUID, str]:
    """An operator whom no request has stopped, and a fresh code of theirs."""
    staff_id, _ = make_staff(world.app, Role.OPERATOR)
    return staff_id, fresh_code(world.app, staff_id)


def _present(holder: Holder, code: str) -> dict[str, str]:
    return {"id_number": holder.person.id_number, "reason": REASON, "totp": code}


def reported(world: World) -> tuple[Holder, UUID, UUID]:
    """Whose death somebody has reported, the report, and its paper."""
    holder, report_id, paper_id = make_holder(world.app), new_id(), new_id()
    keys, (operator_id, code) = keys_of(world.app), _somebody(world)
    person = Present(**_present(holder, code))
    with world.app.app_context():
        operations.report_death(
            keys=keys, operator_id=operator_id, report_id=report_id, person=person, death=DEATH
        )
        papers.add_paper(
            keys=keys, scanner=None, operator_id=operator_id, report_id=report_id,
            paper_id=paper_id, content=PNG,
        )
    return holder, report_id, paper_id


def confirmed(world: World) -> tuple[Holder, UUID]:
    """Somebody whose death is confirmed."""
    holder, report_id, _ = reported(world)
    operator_id, code = _somebody(world)
    with world.app.app_context():
        operations.decide_report(
            keys=keys_of(world.app), terms=Terms(), operator_id=operator_id,
            report_id=report_id, is_confirmed=True, totp=code,
        )
    return holder, report_id


def _asked(**changes: Any) -> dict[str, Any]:
    relative = made_up_member()
    return {
        "relation": "child", "wish": "copy", "name": relative.name,
        "id_number": relative.id_number, "interest": "办理遗产继承", **changes,
    }


def applied(world: World) -> UUID:
    """An application with its paper that somebody took in."""
    _, report_id = confirmed(world)
    application_id, keys = new_id(), keys_of(world.app)
    operator_id, code = _somebody(world)
    with world.app.app_context():
        relatives.apply_as_relative(
            keys=keys, operator_id=operator_id, report_id=report_id,
            application_id=application_id, application=relatives.Application(**_asked()),
            reason=REASON, totp=code,
        )
        papers.add_paper(
            keys=keys, scanner=None, operator_id=operator_id, report_id=report_id,
            paper_id=new_id(), content=PNG, application_id=application_id,
        )
    return application_id


def proposed(world: World) -> UUID:
    """An application that somebody proposes to grant."""
    application_id, (operator_id, _) = applied(world), _somebody(world)
    with world.app.app_context():
        relatives.propose_decision(
            keys=keys_of(world.app), operator_id=operator_id,
            application_id=application_id, outcome="granted", reasons="关系证明经核对",
        )
    return application_id


def granted(world: World) -> UUID:
    """An application that grants a copy."""
    application_id, (operator_id, code) = proposed(world), _somebody(world)
    with world.app.app_context():
        relatives.confirm_decision(
            keys=keys_of(world.app), terms=Terms(), operator_id=operator_id,
            application_id=application_id, is_confirmed=True, totp=code,
        )
    return application_id


def _new_report(world: World) -> Made:
    present = _present(make_holder(world.app), totp(world, world.ours))
    return {
        "report_id": str(new_id()), "died_on": "2026-05-30", "evidence": "death_certificate",
        **present,
    }, {}, {}


def _new_application(world: World) -> Made:
    _, report_id = confirmed(world)
    return _asked(
        application_id=str(new_id()), report_id=str(report_id), reason=REASON,
        totp=totp(world, world.ours),
    ), {}, {}


def _paper(world: World) -> Made:
    _, report_id, _ = reported(world)
    return {"paper_id": str(new_id()), "file": PNG}, {"report_id": str(report_id)}, {}


def _paper_reading(world: World) -> Made:
    _, report_id, paper_id = reported(world)
    return {"reason": REASON}, {"report_id": str(report_id), "paper_id": str(paper_id)}, {}


def _of_report(body: Callable[[World], dict[str, Any]]) -> Callable[[World], Made]:
    return lambda world: (body(world), {"report_id": str(reported(world)[1])}, {})


def _of_application(
    make: Callable[[World], UUID], body: Callable[[World], dict[str, Any]]
) -> Callable[[World], Made]:
    def made(world: World) -> Made:
        application_id = str(make(world))
        return body(world), {"application_id": application_id}, {}

    return made


def _word(world: World) -> dict[str, Any]:
    return {"is_confirmed": True, "totp": totp(world, world.ours)}


def _read(_: World) -> dict[str, Any]:
    return {"reason": REASON}


DEATHS: dict[tuple[str, str], Callable[[World], Made]] = {
    ("GET", ARRANGEMENT): lambda _: (None, {}, {}),
    ("POST", ARRANGEMENT): lambda _: ({
        "choice": "named", "persons": [{
            "name": "王小明", "id_number": made_up_member().id_number,
        }],
    }, {}, {}),
    ("POST", "/death-reports"): _new_report,
    ("GET", "/death-reports"): lambda _: (None, {}, {"limit": 2}),
    ("POST", "/death-reports/reversals"): lambda world: (
        _present(confirmed(world)[0], totp(world, world.ours)), {}, {}
    ),
    ("POST", f"{REPORT}/reading"): _of_report(_read),
    ("POST", f"{REPORT}/papers"): _paper,
    ("POST", f"{REPORT}/papers/<uuid:paper_id>/reading"): _paper_reading,
    ("POST", f"{REPORT}/confirmation"): _of_report(_word),
    ("POST", "/relative-applications"): _new_application,
    ("GET", "/relative-applications"): lambda _: (None, {}, {"limit": 2}),
    ("POST", f"{APPLICATION}/reading"): _of_application(applied, _read),
    ("POST", f"{APPLICATION}/decision"): _of_application(
        applied, lambda _: {"outcome": "granted", "reasons": "关系证明经核对"}
    ),
    ("POST", f"{APPLICATION}/confirmation"): _of_application(proposed, _word),
    ("POST", f"{APPLICATION}/copy"): _of_application(
        granted, lambda world: {"reason": REASON, "totp": totp(world, world.ours)}
    ),
}
