"""Transit for requests that work, made anew for each call: our source is a bus company's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from app.kernel.clock import city_today
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members.queries import database_now
from app.transit import files
from app.transit.models import TransitOperator, TransitTerms
from tests.contract.orders import Made
from tests.contract.world import Party, World
from tests.redemptions.builders import Citizen, give_consent, publish_benefit, set_tier
from tests.service_orders.shop import done
from tests.transit.town import FARES, TERMS, Company


def company_of(world: World, party: Party) -> Company:
    """The party's machine as that of a transit operator, and its citizen as a rider."""
    source = next(one for one in party.callers.values() if one.credential is not None)
    with world.app.app_context(), transaction() as session:
        held = session.get(TransitOperator, party.merchant_id)
        code = held.benefit_code if held else None
    if code is None:
        code = publish_benefit(
            world.app, values=FARES, kind="entitlement", consent_purpose="transit",
            merchants="all", offline_allowed=True,
        )
        with world.app.app_context(), transaction() as session:
            session.add(TransitOperator(
                merchant_id=party.merchant_id, source_id=source.subject_id, benefit_code=code
            ))
            session.flush()
            session.add(TransitTerms(
                merchant_id=party.merchant_id, valid_from=city_today(session), **vars(TERMS)
            ))
    for purpose in ("transit", "transit_location"):
        give_consent(world.app, party.citizen.subject_id, purpose)
    set_tier(world.app, party.citizen.subject_id, "AA")
    return Company(world.app, party.merchant_id, source.subject_id, code, source.headers)


def rider_of(party: Party) -> Citizen:
    citizen = party.citizen
    return Citizen(citizen.subject_id, citizen.session_id, citizen.headers)


def file_of(world: World, party: Party) -> UUID:
    """A file that was just made."""
    company = company_of(world, party)
    company.account_of(rider_of(party))
    with world.app.app_context():
        files.make_files(merchant_id=company.merchant_id)
        return files.list_files(source_id=company.source_id, limit=1)[0].file_id


def _account(world: World) -> Made:
    company = company_of(world, world.ours)
    return {"merchant_id": str(company.merchant_id)}, {}, {}


def _question(world: World) -> Made:
    account_id = company_of(world, world.ours).account_of(rider_of(world.ours))
    return {"account_id": str(account_id)}, {}, {}


def _files(world: World) -> Made:
    company_of(world, world.ours)
    return None, {}, {"limit": 2}


def _file(world: World) -> Made:
    return None, {"file_id": str(file_of(world, world.ours))}, {}


def trip_of(account_id: UUID, moment: datetime, **changes: Any) -> dict[str, Any]:
    """A row of a batch."""
    return {
        "trip_id": str(new_id()), "account_id": str(account_id), "tap_in_at": moment.isoformat(),
        "tap_in_place": "S01", "tap_out_at": moment.isoformat(), "tap_out_place": "S02",
        "fare_fen": 200, **changes,
    }


def uploaded(world: World, party: Party) -> dict[str, Any]:
    """A trip of the party's citizen that was taken."""
    company = company_of(world, party)
    account_id = company.account_of(rider_of(party))
    with world.app.app_context():
        row = trip_of(account_id, database_now())
    body = {"batch_id": str(new_id()), "trips": [row]}
    [told] = done(company.post("/transit/batches", body))["rows"]
    assert told["outcome"] == "taken"
    return row


def _batch(world: World) -> Made:
    account_id = company_of(world, world.ours).account_of(rider_of(world.ours))
    with world.app.app_context():
        row = trip_of(account_id, database_now())
    return {"batch_id": str(new_id()), "trips": [row]}, {}, {}


def _parked(world: World) -> Made:
    company_of(world, world.ours)
    return None, {}, {"limit": 2, "skipped": 0}


def _subsidies(world: World) -> Made:
    company_of(world, world.ours)
    return None, {}, {"from_on": "2026-11-01", "to_on": "2026-11-30"}


def _own_trips(world: World) -> Made:
    uploaded(world, world.ours)
    return None, {}, {"limit": 2, "before": "2030-01-01T00:00:00Z"}


TRANSIT: dict[tuple[str, str], Callable[[World], Made]] = {
    ("POST", "/me/transit/accounts"): _account,
    ("POST", "/transit/entitlement"): _question,
    ("GET", "/transit/files"): _files,
    ("GET", "/transit/files/<uuid:file_id>.jsonl"): _file,
    ("GET", "/transit/files/<uuid:file_id>.jws"): _file,
    ("POST", "/transit/batches"): _batch,
    ("GET", "/transit/parked"): _parked,
    ("GET", "/transit/subsidies"): _subsidies,
    ("GET", "/me/transit/trips"): _own_trips,
}
