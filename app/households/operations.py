"""Forming, joining and leaving households; villages.

A household is its head's seat and those of the adults who joined it, each by an act and a consent
of their own.  Leaving takes the seat and the consent away at once; when the head leaves, the
household is over, because what is kept of it stands under the head's id and everybody agreed to
this head's household.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.households.invitations import (
    Invitation,
    ReadCode,
    is_open,
    make_invitation,
    read_code,
    use_up,
)
from app.households.models import (
    HouseholdInvitation,
    HouseholdSeat,
    Village,
    VillageResident,
)
from app.households.queries import (
    HOUSEHOLD,
    Household,
    ListedVillage,
    find_household,
    find_village,
)
from app.households.refusals import (
    HouseholdFull,
    HouseholdHeadNeeded,
    HouseholdMissing,
    HouseholdTaken,
    InvitationDead,
    VillageTaken,
    VillageUnknown,
)
from app.kernel.clock import city_today
from app.kernel.database import transaction, transaction_required
from app.kernel.keys import KeyProvider
from app.kernel.outbox import put
from app.members.operations import GivenConsent, give_consent, withdraw_consent
from app.members.queries import find_masked_profile, is_active

ADULTS_MAX = 12
CHANGED_TOPIC = "household_changed"  # goes by the head's id; what is computed follows


@dataclass(frozen=True)
class OpenInvitation:
    """Whose household an invitation leads into, masked: read before the consent."""

    head_name: str
    village: ListedVillage | None


def form_household(*, keys: KeyProvider, citizen_id: UUID, text_version: int) -> Household:
    """Make the citizen the head of a new household, with the consent to it.

    The head of a household stays it.  HouseholdTaken in another one's household; ConsentStale.
    """
    with transaction():
        if not _heads(citizen_id):
            _take_seat(citizen_id=citizen_id, head_id=citizen_id, text_version=text_version)
        return open_household(keys=keys, citizen_id=citizen_id)


def open_household(*, keys: KeyProvider, citizen_id: UUID) -> Household:
    """The citizen's household.  HouseholdMissing."""
    found = find_household(keys=keys, citizen_id=citizen_id)
    if found is None:
        raise HouseholdMissing
    return found


def invite_adult(*, citizen_id: UUID) -> Invitation:
    """A code for one adult, good for a week.  HouseholdMissing, HouseholdHeadNeeded."""
    with transaction() as session:
        seat = session.get(HouseholdSeat, citizen_id)
        if seat is None:
            raise HouseholdMissing
        if seat.head_id != citizen_id or _lock_head(citizen_id) is None:
            raise HouseholdHeadNeeded
        return make_invitation(head_id=citizen_id)


def read_invitation(*, keys: KeyProvider, code: str) -> OpenInvitation:
    """Whose household a code leads into.  InvitationDead."""
    found = read_code(code)
    with transaction():
        if not is_open(found):
            raise InvitationDead
        head = find_masked_profile(keys=keys, citizen_id=found.head_id)
        if head is None or head.status != "active":
            raise InvitationDead
        return OpenInvitation(head.name, find_village(citizen_id=found.head_id))


def join_household(
    *, keys: KeyProvider, citizen_id: UUID, code: str, text_version: int
) -> Household:
    """Take the citizen into the household of a code, with the consent to it.

    Who is in it already stays in it.  InvitationDead, HouseholdTaken, HouseholdFull, ConsentStale.
    """
    found = read_code(code)
    with transaction() as session:
        seat = session.get(HouseholdSeat, citizen_id)
        if seat is None or seat.head_id != found.head_id:
            _join(citizen_id=citizen_id, code=found, text_version=text_version)
        return open_household(keys=keys, citizen_id=citizen_id)


def renew_consent(*, keys: KeyProvider, citizen_id: UUID, text_version: int) -> Household:
    """Agree to the text of now; the citizen's records count again.  HouseholdMissing."""
    with transaction():
        found = open_household(keys=keys, citizen_id=citizen_id)
        if found.consent_state != "given":
            give_consent(citizen_id=citizen_id, given=GivenConsent(HOUSEHOLD, text_version))
            _tell(transaction_required().get_one(HouseholdSeat, citizen_id).head_id)
        return open_household(keys=keys, citizen_id=citizen_id)


def leave_household(*, citizen_id: UUID) -> None:
    """Take a citizen out of the household at once, and the consent with it.

    When the head leaves everybody's seat goes.  Who is in none changes nothing.
    """
    with transaction():
        if give_up_seat(citizen_id=citizen_id):
            withdraw_consent(citizen_id=citizen_id, purpose=HOUSEHOLD)


def give_up_seat(*, citizen_id: UUID) -> bool:
    """What goes with the consent, in the open transaction; whether there was a seat.

    The consent itself is the caller's to withdraw.
    """
    session = transaction_required()
    head_id = session.scalar(
        delete(HouseholdSeat)
        .where(HouseholdSeat.citizen_id == citizen_id)
        .returning(HouseholdSeat.head_id)
    )
    if head_id is None:
        return False
    if head_id == citizen_id:
        session.execute(delete(HouseholdSeat).where(HouseholdSeat.head_id == head_id))
        session.execute(
            delete(HouseholdInvitation).where(HouseholdInvitation.citizen_id == head_id)
        )
    _tell(head_id, is_over=head_id == citizen_id)
    return True


def forget_citizen(*, citizen_id: UUID) -> None:
    """Nothing of a citizen who leaves the programme stays here, in the open transaction."""
    session = transaction_required()
    give_up_seat(citizen_id=citizen_id)
    for table in (VillageResident, HouseholdInvitation):
        session.execute(delete(table).where(table.citizen_id == citizen_id))


def choose_village(*, citizen_id: UUID, village_code: str | None) -> ListedVillage | None:
    """Say in which village the citizen lives, or in none.  VillageUnknown."""
    with transaction() as session:
        if village_code is None:
            session.execute(
                delete(VillageResident).where(VillageResident.citizen_id == citizen_id)
            )
            return None
        village = session.get(Village, village_code)
        if village is None:
            raise VillageUnknown
        session.execute(
            insert(VillageResident)
            .values(citizen_id=citizen_id, village_code=village_code)
            .on_conflict_do_update(
                index_elements=[VillageResident.citizen_id],
                set_={"village_code": village_code},
            )
        )
        return ListedVillage(village.village_code, village.name)


def add_village(*, village_code: str, name: str) -> ListedVillage:
    """Add a village to choose; the same again changes nothing.  VillageTaken."""
    with transaction() as session:
        session.execute(
            insert(Village)
            .values(village_code=village_code, name=name)
            .on_conflict_do_nothing()
        )
        held = session.get_one(Village, village_code)
        if held.name != name:
            raise VillageTaken
        return ListedVillage(held.village_code, held.name)


def _tell(head_id: UUID, *, is_over: bool = False) -> None:
    put(citizen_id=head_id, topic=CHANGED_TOPIC, payload={"is_over": is_over})


def _heads(citizen_id: UUID) -> bool:
    seat = transaction_required().get(HouseholdSeat, citizen_id)
    return seat is not None and seat.head_id == citizen_id


def _lock_head(head_id: UUID) -> HouseholdSeat | None:
    """Who joins and who dissolves come one after the other."""
    query = select(HouseholdSeat).where(
        HouseholdSeat.citizen_id == head_id, HouseholdSeat.head_id == head_id
    )
    return transaction_required().scalars(query.with_for_update()).one_or_none()


def _join(*, citizen_id: UUID, code: ReadCode, text_version: int) -> None:
    if _lock_head(code.head_id) is None or not is_active(citizen_id=code.head_id):
        raise InvitationDead
    use_up(code)
    count = transaction_required().scalar(
        select(func.count())
        .select_from(HouseholdSeat)
        .where(HouseholdSeat.head_id == code.head_id)
    )
    if (count or 0) >= ADULTS_MAX:
        raise HouseholdFull(adults_max=ADULTS_MAX)
    _take_seat(citizen_id=citizen_id, head_id=code.head_id, text_version=text_version)


def _take_seat(*, citizen_id: UUID, head_id: UUID, text_version: int) -> None:
    """One seat per citizen: the primary key decides.  A seat beside a head who left is none."""
    session = transaction_required()
    held = session.get(HouseholdSeat, citizen_id)
    if held is not None and not _stands(held):
        session.delete(held)
        session.flush()
    give_consent(citizen_id=citizen_id, given=GivenConsent(HOUSEHOLD, text_version))
    taken = session.scalar(
        insert(HouseholdSeat)
        .values(citizen_id=citizen_id, head_id=head_id, since_on=city_today(session))
        .on_conflict_do_nothing()
        .returning(HouseholdSeat.citizen_id)
    )
    if taken is None:
        raise HouseholdTaken
    _tell(head_id)


def _stands(seat: HouseholdSeat) -> bool:
    head = transaction_required().get(HouseholdSeat, seat.head_id)
    return head is not None and is_active(citizen_id=seat.head_id)
