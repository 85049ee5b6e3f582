"""Reading households: who is in whose, as the adults in it may see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select, text

from app.households.models import HouseholdSeat, Village, VillageResident
from app.kernel.database import reading
from app.kernel.keys import KeyProvider
from app.members.queries import consent_state, find_masked_profile

HOUSEHOLD = "household"  # the purpose that every adult in one agrees to


@dataclass(frozen=True)
class ListedVillage:
    """A village and its name."""

    village_code: str
    name: str


@dataclass(frozen=True)
class HouseholdAdult:
    """An adult in a household, masked.

    `counts` is false while the consent is to an older text or the membership rests.
    """

    name: str
    is_head: bool
    is_me: bool
    since_on: date
    counts: bool


@dataclass(frozen=True)
class Household:
    """A household as one of its adults sees it; `consent_state` is that adult's own."""

    is_head: bool
    since_on: date
    consent_state: str
    village: ListedVillage | None
    adults: tuple[HouseholdAdult, ...]


_HEADS = text("""
    SELECT a.adult_id, a.citizen_id FROM household_adults(CAST(:as_of AS date)) a
    WHERE a.adult_id = ANY(CAST(:citizens AS uuid[]))
""")


def find_heads(*, citizen_ids: Collection[UUID], as_of: date) -> dict[UUID, UUID]:
    """The head of the household for which each of these citizens counts; nobody who counts in none.

    A head's own is the head.
    """
    with reading() as session:
        rows = session.execute(_HEADS, {"as_of": as_of, "citizens": list(citizen_ids)})
        return {row.adult_id: row.citizen_id for row in rows}


def _seat(citizen_id: UUID) -> HouseholdSeat | None:
    """The seat of a citizen, whether or not it counts."""
    with reading() as session:
        return session.get(HouseholdSeat, citizen_id)


def find_household(*, keys: KeyProvider, citizen_id: UUID) -> Household | None:
    """The household of a citizen; nothing when its head is not a member any more."""
    seat = _seat(citizen_id)
    if seat is None or _seat(seat.head_id) is None:
        return None
    query = (
        select(HouseholdSeat)
        .where(HouseholdSeat.head_id == seat.head_id)
        .order_by(HouseholdSeat.citizen_id != HouseholdSeat.head_id, HouseholdSeat.citizen_id)
    )
    with reading() as session:
        adults = [_adult(keys, one, citizen_id) for one in session.scalars(query).all()]
    return Household(
        is_head=seat.head_id == citizen_id,
        since_on=seat.since_on,
        consent_state=consent_state(citizen_id=citizen_id, purpose=HOUSEHOLD),
        village=find_village(citizen_id=seat.head_id),
        adults=tuple(one for one in adults if one is not None),
    )


def find_village(*, citizen_id: UUID) -> ListedVillage | None:
    """The village that a citizen has chosen."""
    query = (
        select(Village)
        .join(VillageResident, VillageResident.village_code == Village.village_code)
        .where(VillageResident.citizen_id == citizen_id)
    )
    with reading() as session:
        found = session.scalars(query).one_or_none()
    return None if found is None else ListedVillage(found.village_code, found.name)


def list_villages(*, after: str = "", limit: int) -> list[ListedVillage]:
    """A page of the villages to choose from, by code."""
    query = (
        select(Village)
        .where(Village.village_code > after)
        .order_by(Village.village_code)
        .limit(limit)
    )
    with reading() as session:
        return [ListedVillage(one.village_code, one.name) for one in session.scalars(query)]


def _adult(keys: KeyProvider, seat: HouseholdSeat, me: UUID) -> HouseholdAdult | None:
    """Nobody whose profile is erased."""
    profile = find_masked_profile(keys=keys, citizen_id=seat.citizen_id)
    if profile is None:
        return None
    agreed = consent_state(citizen_id=seat.citizen_id, purpose=HOUSEHOLD) == "given"
    return HouseholdAdult(
        name=profile.name,
        is_head=seat.citizen_id == seat.head_id,
        is_me=seat.citizen_id == me,
        since_on=seat.since_on,
        counts=agreed and profile.status == "active",
    )
