"""Paper cards for requests that work: each time somebody else's card, at our own counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.counter.acts import claim_voucher
from app.counter.cards import issue_card
from app.counter.checks import start_check
from app.counter.models import CounterVisit
from app.counter.numbers import pin_hashes
from app.counter.presence import Present
from app.counter.visits import VISIT_LIFE
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.redemptions.operations import Counter
from app.web.auth import Role
from tests.contract.complaints import complaint
from tests.contract.libraries import library_of
from tests.contract.objections import objection, rejected
from tests.contract.orders import Made
from tests.contract.repairs import repair
from tests.contract.world import Party, World
from tests.counter.desk import REASON, code_after_wrong_ones, make_holder
from tests.members.api import keys_of, made_up_person
from tests.redemptions.builders import give_consent, grant_points, set_tier
from tests.service_orders.shop import make_line
from wechat_integration.sandbox.control import SandboxControl

VISIT = "/counter/visits/<uuid:visit_id>"
PIN = "123456"


def _present(world: World, id_number: str | None = None) -> dict[str, Any]:
    operator_id = world.ours.callers[Role.OPERATOR].subject_id
    return {
        "id_number": id_number or make_holder(world.app).person.id_number, "reason": REASON,
        "totp": code_after_wrong_ones(world.app, operator_id),
    }


def card(world: World, id_number: str | None = None) -> str:
    """What is printed on a card that is good."""
    present = Present(**_present(world, id_number))
    with world.app.app_context():
        return issue_card(
            keys=keys_of(world.app), card_id=new_id(), holder=present,
            operator_id=world.ours.callers[Role.OPERATOR].subject_id,
        ).code


def waiting(world: World, party: Party, id_number: str | None = None) -> str:
    """A check at the party's counter that waits for its clerk's code."""
    clerk, text = party.clerk, card(world, id_number)
    with world.app.app_context():
        return start_check(
            keys=keys_of(world.app), check_id=new_id(), card=text, way="document",
            counter=Counter(clerk.subject_id, clerk.session_id, party.shop_id),
            sender=world.app.extensions["card_sms"],
        ).check


def visiting(
    world: World, party: Party, way: str = "document", citizen_id: UUID | None = None
) -> str:
    """A visit with the party's operator, of somebody new or of this citizen.

    Open, or by `pin` waiting for it.
    """
    visit_id, is_open = new_id(), way == "document"
    if citizen_id is None:
        citizen_id = make_holder(world.app).citizen_id
        grant_points(world.app, citizen_id, 100)
        set_tier(world.app, citizen_id, "AA")
    with world.app.app_context(), transaction() as session:
        now = session.execute(select(func.clock_timestamp())).scalar_one()
        session.add(CounterVisit(
            citizen_id=citizen_id, visit_id=visit_id, way=way, reason=REASON,
            operator_id=party.callers[Role.OPERATOR].subject_id, tries_left=5, started_at=now,
            expires_at=now + VISIT_LIFE, passed_at=now if is_open else None,
            pin_hash=None if is_open else pin_hashes(
                keys_of(world.app), check_id=visit_id, pin=PIN
            )[0],
        ))  # fmt: skip
    return str(visit_id)


def claimed(world: World, visit_id: str) -> str:
    """A voucher that was claimed on a visit with our operator."""
    voucher_id = new_id()
    with world.app.app_context():
        claim_voucher(
            operator_id=world.ours.callers[Role.OPERATOR].subject_id, visit_id=UUID(visit_id),
            voucher_id=voucher_id, benefit_code=world.benefit_code,
        )
    return str(voucher_id)


def _on_visit(body: dict[str, Any] | None) -> Callable[[World], Made]:
    return lambda world: (body, {"visit_id": visiting(world, world.ours)}, {})


def _of_our_citizen(
    make: Callable[[World, Party], dict[str, Any]]
) -> Callable[[World], Made]:
    """An act on a visit of our citizen, who has what it is about."""

    def made(world: World) -> Made:
        body = make(world, world.ours)
        who = world.ours.citizen.subject_id
        return body, {"visit_id": visiting(world, world.ours, citizen_id=who)}, {}

    return made


def _claiming(world: World) -> Made:
    body = {"voucher_id": str(new_id()), "benefit_code": world.benefit_code}
    return body, {"visit_id": visiting(world, world.ours)}, {}


def _giving_back(world: World) -> Made:
    visit_id = visiting(world, world.ours)
    return {"voucher_id": claimed(world, visit_id)}, {"visit_id": visit_id}, {}


def joining(world: World, sandbox: SandboxControl) -> Made:
    """Somebody whom the real-name service knows."""
    person = made_up_person(sandbox)
    return _present(world) | {
        "name": person.name, "id_number": person.id_number, "phone": person.phone,
        "consents": [{"purpose": "membership", "text_version": 1, "was_read_aloud": True}],
    }, {}, {}


def _new_check(world: World) -> Made:
    return {
        "check_id": str(new_id()), "shop_id": str(world.ours.shop_id), "card": card(world),
        "way": "document",
    }, {}, {}


def _passing(world: World) -> Made:
    return {
        "shop_id": str(world.ours.shop_id), "check": waiting(world, world.ours),
        "totp": code_after_wrong_ones(world.app, world.ours.clerk.subject_id),
    }, {}, {}


def _at_library(world: World) -> Made:
    library_of(world, world.ours)
    return _passing(world)


def _opening(world: World) -> Made:
    """An order of somebody new, on a line of our merchant's."""
    holder = make_holder(world.app)
    give_consent(world.app, holder.citizen_id, "rental")
    set_tier(world.app, holder.citizen_id, "AA")
    line_id = make_line(world.app, world.ours.merchant_id)
    return {
        "shop_id": str(world.ours.shop_id), "order_id": str(new_id()),
        "check": waiting(world, world.ours, holder.person.id_number),
        "totp": code_after_wrong_ones(world.app, world.ours.clerk.subject_id),
        "terms": {"line_id": str(line_id), "amount_fen": 9_900},
    }, {}, {}


def _printing(world: World) -> Made:
    id_number = make_holder(world.app).person.id_number
    card(world, id_number)
    return _present(world, id_number), {}, {}


COUNTER: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/paper-cards"): lambda world: (
        {"card_id": str(new_id()), **_present(world)}, {}, {}
    ),
    ("POST", "/paper-cards/ending"): lambda world: (_present(world), {}, {}),
    ("POST", "/paper-cards/sheet"): _printing,
    ("POST", "/counter/leavings"): lambda world: (_present(world), {}, {}),
    ("POST", "/counter/visits"): lambda world: (
        {"visit_id": str(new_id()), "way": "document", **_present(world)}, {}, {}
    ),
    ("POST", f"{VISIT}/pin"): lambda world: (
        {"pin": PIN}, {"visit_id": visiting(world, world.ours, "pin")}, {}
    ),
    ("POST", f"{VISIT}/ending"): _on_visit(None),
    ("POST", f"{VISIT}/overview"): _on_visit(None),
    ("POST", f"{VISIT}/sheet"): _on_visit({}),
    ("POST", f"{VISIT}/consents"): _on_visit({
        "purpose": "library", "text_version": 1, "decision": "given", "was_read_aloud": True,
    }),
    ("POST", f"{VISIT}/vouchers"): _claiming,
    ("POST", f"{VISIT}/vouchers/give-back"): _giving_back,
    ("POST", f"{VISIT}/cases"): _on_visit(None),
    ("POST", f"{VISIT}/trail"): _on_visit({}),
    ("POST", f"{VISIT}/copies"): lambda world: (
        {"copy_id": str(new_id())}, {"visit_id": visiting(world, world.ours)}, {}
    ),
    ("POST", f"{VISIT}/objections"): _of_our_citizen(objection),
    ("POST", f"{VISIT}/objections/second-look"): _of_our_citizen(
        lambda world, party: {"objection_id": rejected(world, party)}
    ),
    ("POST", f"{VISIT}/repairs"): _of_our_citizen(repair),
    ("POST", f"{VISIT}/complaints"): _of_our_citizen(complaint),
    ("POST", f"{VISIT}/leaving"): _on_visit({"confirmed": True}),
    ("POST", "/card-checks"): _new_check,
    ("POST", "/card-checks/passing"): _passing,
    ("POST", "/card-checks/passing/library"): _at_library,
    ("POST", "/card-checks/passing/order"): _opening,
}
