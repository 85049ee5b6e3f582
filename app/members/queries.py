"""Reading members: who is live, who is who, masked profiles, consents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, func, literal, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from app.kernel.crypto import open_data_key
from app.kernel.database import hot_call, reading
from app.kernel.keys import Key, KeyProvider
from app.members.id_numbers import mask_id_number
from app.members.models import (
    Citizen,
    CitizenKey,
    CitizenLookup,
    CitizenProfile,
    Consent,
    ConsentText,
    SourceAccount,
    StaffAccount,
    StaffSession,
    WeChatIdentity,
)
from app.members.sealing import IDENTITIES, PROFILES, blind_indexes, open_field
from app.members.spelling import mask_name, mask_phone

# One array instead of thousands of parameters; of hexadecimal texts, because the driver takes
# fifty times as long over one of bytes.
_FIND_BY_INDEX = text("""
    SELECT l.blind_index, c.citizen_id, c.joined_on, k.wrapped_key, p.name_sealed, p.phone_sealed
    FROM unnest(CAST(:indexes AS text[])) AS i (hexadecimal)
    JOIN citizen_lookup l
        ON l.purpose = 'id_number' AND l.blind_index = decode(i.hexadecimal, 'hex')
    JOIN citizens c USING (citizen_id)
    JOIN citizen_profiles p USING (citizen_id)
    JOIN citizen_keys k USING (citizen_id)
    WHERE c.status = 'active'
""")
LATELY = timedelta(minutes=30)
_LIVENESS = {
    "citizen": "SELECT citizen_session_is_live(%(subject)s, %(session)s) AS live",
    "source": "SELECT source_session_is_live(%(subject)s, %(session)s) AS live",
    "staff": "SELECT staff_session_is_live(%(subject)s, %(session)s, %(role)s) AS live",
}


@dataclass(frozen=True)
class RegisteredPerson:
    """A member found by identity number; name and phone are opened only when they are asked for."""

    citizen_id: UUID
    joined_on: date
    data_key: Key = field(repr=False)  # for sealing what is theirs
    name_sealed: bytes = field(repr=False)
    phone_sealed: bytes | None = field(repr=False)

    @property
    def name(self) -> str:
        """The name, for comparing."""
        return self._open("name_sealed", self.name_sealed)

    @property
    def phone(self) -> str | None:
        """The phone number, for comparing."""
        return None if self.phone_sealed is None else self._open("phone_sealed", self.phone_sealed)

    def _open(self, column: str, sealed: bytes) -> str:
        return open_field(
            self.data_key, sealed, table=PROFILES, column=column, citizen_id=self.citizen_id
        )


@dataclass(frozen=True)
class MaskedProfile:
    """What may be shown of a citizen without a reason."""

    citizen_id: UUID
    status: str
    joined_on: date
    name: str
    id_number: str
    phone: str | None


@dataclass(frozen=True)
class PublishedText:
    """One version of the text that is agreed to for a purpose."""

    purpose: str
    version: int
    receiver: str
    required: bool
    sensitive: bool
    title: str
    body: str
    text_hash: bytes
    answer_due_on: date | None = None  # of a required one that changed: who disagrees rests then


@dataclass(frozen=True)
class ConsentState:
    """A decision of a citizen on a purpose; `text_hash` is of the text that was decided on."""

    consent_id: UUID
    purpose: str
    text_version: int
    text_hash: bytes
    decision: str
    channel: str
    decided_at: datetime


def session_is_live(*, role: str, subject_id: UUID, session_id: UUID) -> bool:
    """Whether this session of a citizen, staff member or source machine is good right now."""
    statement = _LIVENESS.get(role, _LIVENESS["staff"])
    row = hot_call(statement, {"subject": subject_id, "session": session_id, "role": role})
    return row is not None and row["live"] is True


def signed_in_lately(*, staff_id: UUID, session_id: UUID) -> bool:
    """Whether this session of a staff account began within `LATELY`, however often refreshed."""
    query = select(StaffSession.session_id).where(
        StaffSession.staff_id == staff_id, StaffSession.session_id == session_id,
        StaffSession.created_at > func.now() - LATELY,
    )
    with reading() as session:
        return session.scalar(query) is not None


def find_citizens_by_id_numbers(
    *, keys: KeyProvider, id_numbers: Iterable[str]
) -> dict[str, RegisteredPerson]:
    """The active members among these canonical identity numbers, by number.

    For matching by machine, in bulk: what it returns is compared and never shown to a person.
    """
    by_index = {
        index: number
        for number in id_numbers
        for index in blind_indexes(keys, "id_number", number)
    }
    if not by_index:
        return {}
    wanted = {"indexes": [index.hex() for index in by_index]}
    with reading() as session:
        rows = session.execute(_FIND_BY_INDEX, wanted).all()
    return {
        by_index[index]: RegisteredPerson(
            citizen_id, joined_on, open_data_key(keys, wrapped, citizen_id=citizen_id), *sealed
        )
        for index, citizen_id, joined_on, wrapped, *sealed in rows
    }


def find_citizen_id(*, keys: KeyProvider, purpose: str, value: str) -> UUID | None:
    """The citizen behind an identity number (`id_number`) or an `openid`."""
    with reading() as session:
        return session.scalar(
            select(CitizenLookup.citizen_id).where(
                CitizenLookup.purpose == purpose,
                CitizenLookup.blind_index.in_(blind_indexes(keys, purpose, value)),
            )
        )


def find_masked_profile(*, keys: KeyProvider, citizen_id: UUID) -> MaskedProfile | None:
    """The masked profile of a citizen; the plain values do not leave this function."""
    with reading() as session:
        citizen = session.get(Citizen, citizen_id)
        profile = session.get(CitizenProfile, citizen_id)
        wrapped = session.get(CitizenKey, citizen_id)
    if citizen is None or profile is None or wrapped is None:
        return None
    plain = plain_fields(keys, profile, wrapped)
    phone = plain["phone"]
    return MaskedProfile(
        citizen_id=citizen_id,
        status=citizen.status,
        joined_on=citizen.joined_on,
        name=mask_name(str(plain["name"])),
        id_number=mask_id_number(str(plain["id_number"])),
        phone=None if phone is None else mask_phone(phone),
    )


def find_data_key(*, keys: KeyProvider, citizen_id: UUID) -> Key | None:
    """The data key of a citizen, under which what is theirs is sealed; of the erased none."""
    with reading() as session:
        wrapped = session.get(CitizenKey, citizen_id)
    if wrapped is None:
        return None
    return open_data_key(keys, wrapped.wrapped_key, citizen_id=citizen_id)


def list_wrapped_under(
    *, key_id: int, until: datetime, first: UUID, last: UUID
) -> list[tuple[UUID, datetime]]:
    """Whose data key is wrapped under a key of the ring, and since when; by a range of ids."""
    query = (
        select(CitizenKey.citizen_id, CitizenKey.created_at)
        .where(
            CitizenKey.citizen_id.between(first, last), CitizenKey.created_at < until,
            func.get_byte(CitizenKey.wrapped_key, 1) == key_id,  # after the byte of the suite
        )
        .order_by(CitizenKey.citizen_id)
    )
    with reading() as session:
        return [(row.citizen_id, row.created_at) for row in session.execute(query)]


def find_openid(*, keys: KeyProvider, citizen_id: UUID) -> str | None:
    """The WeChat identity to send a message to, or None when none is bound."""
    with reading() as session:
        identity = session.get(WeChatIdentity, citizen_id)
        wrapped = session.get(CitizenKey, citizen_id)
    if identity is None or wrapped is None:
        return None
    return open_field(
        open_data_key(keys, wrapped.wrapped_key, citizen_id=citizen_id),
        identity.openid_sealed,
        table=IDENTITIES, column="openid_sealed", citizen_id=citizen_id,
    )


def is_bound(*, citizen_id: UUID) -> bool:
    """Whether there is a WeChat identity, which nobody needs to open to know that."""
    with reading() as session:
        return session.get(WeChatIdentity, citizen_id) is not None


def find_phone(*, keys: KeyProvider, citizen_id: UUID) -> str | None:
    """The phone number to send a message to, or None when there is none."""
    with reading() as session:
        profile = session.get(CitizenProfile, citizen_id)
        wrapped = session.get(CitizenKey, citizen_id)
    return None if profile is None or wrapped is None else plain_fields(
        keys, profile, wrapped
    )["phone"]


def list_current_texts() -> list[PublishedText]:
    """The newest published text of every purpose, required ones first."""
    newest = (
        select(ConsentText)
        .ext(distinct_on(ConsentText.purpose))
        .order_by(ConsentText.purpose, ConsentText.version.desc())
    )
    with reading() as session:
        texts = [_published(row) for row in session.scalars(newest)]
    return sorted(texts, key=lambda text: (not text.required, text.purpose))


def list_consents(*, citizen_id: UUID) -> list[ConsentState]:
    """The last decision of a citizen on every purpose ever decided."""
    last = (
        select(Consent)
        .ext(distinct_on(Consent.purpose))
        .where(Consent.citizen_id == citizen_id)
        .order_by(Consent.purpose, Consent.decided_at.desc(), Consent.consent_id.desc())
    )
    with reading() as session:
        return [_decision(row) for row in session.scalars(last)]


def list_decisions(
    *, citizen_id: UUID, limit: int, before: UUID | None = None
) -> list[ConsentState]:
    """Everything a citizen ever decided, the newest first; `before` is the last id of a page."""
    query = (
        select(Consent)
        .where(Consent.citizen_id == citizen_id)
        .order_by(Consent.consent_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Consent.consent_id < before)
    with reading() as session:
        return [_decision(row) for row in session.scalars(query)]


def find_decision(*, citizen_id: UUID, consent_id: UUID) -> ConsentState | None:
    """One decision of a citizen."""
    with reading() as session:
        row = session.get(Consent, (citizen_id, consent_id))
    return None if row is None else _decision(row)


def find_text(*, purpose: str, version: int) -> PublishedText | None:
    """A version of a text, old ones too."""
    with reading() as session:
        row = session.get(ConsentText, (purpose, version))
    return None if row is None else _published(row)


def consent_state(*, citizen_id: UUID, purpose: str) -> str:
    """`given`, `stale` (an older text), `withdrawn`, `refused` or `none`."""
    with reading() as session:
        state = session.scalar(select(func.citizen_consent_state(citizen_id, purpose)))
    return str(state)


def consent_states(*, citizen_id: UUID, purposes: Iterable[str]) -> dict[str, str]:
    """The same of several purposes at once, by purpose."""
    asked = func.unnest(literal([*purposes], ARRAY(Text()))).column_valued("purpose")
    query = select(asked, func.citizen_consent_state(citizen_id, asked))
    with reading() as session:
        return {purpose: str(state) for purpose, state in session.execute(query)}


def consent_basis(*, citizen_id: UUID, purposes: Sequence[str] = ()) -> str:
    """How the trail names what allows these purposes now: `transit v1, transit_location v2`.

    Where a consent does not allow it, and for no purpose at all: `membership v1`.
    """
    wanted = literal([*purposes] or ["membership"], ARRAY(Text()))
    asked = func.unnest(wanted).column_valued("purpose")
    query = select(
        asked, func.citizen_consent_basis(citizen_id, asked, func.clock_timestamp())
    )
    with reading() as session:
        return ", ".join(dict.fromkeys(str(named) for _, named in session.execute(query)))


def is_active(*, citizen_id: UUID) -> bool:
    """Whether this is a member whose membership neither rests nor is over."""
    with reading() as session:
        return session.scalar(select(func.citizen_is_active(citizen_id))) is True


def names_of_actors(*, actor_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The work names of staff accounts and source machines."""
    wanted = list(actor_ids)
    staff = select(StaffAccount.staff_id, StaffAccount.display_name).where(
        StaffAccount.staff_id.in_(wanted)
    )
    sources = select(SourceAccount.source_id, SourceAccount.name).where(
        SourceAccount.source_id.in_(wanted)
    )
    with reading() as session:
        found = [*session.execute(staff), *session.execute(sources)]
    return {actor_id: name for actor_id, name in found}  # noqa: C416 -- rows are no tuples to mypy


def database_now() -> datetime:
    """The moment by the database's clock."""
    clock = func.clock_timestamp(type_=DateTime(timezone=True))
    with reading() as session:
        return session.execute(select(clock)).scalar_one()


def plain_fields(
    keys: KeyProvider, profile: CitizenProfile, wrapped: CitizenKey
) -> dict[str, str | None]:
    """Name, id_number and phone in the clear: for this room's own use."""
    citizen_id = profile.citizen_id
    key = open_data_key(keys, wrapped.wrapped_key, citizen_id=citizen_id)
    sealed = {
        "name": profile.name_sealed,
        "id_number": profile.id_number_sealed,
        "phone": profile.phone_sealed,
    }
    return {
        name: None if value is None else open_field(
            key, value, table=PROFILES, column=f"{name}_sealed", citizen_id=citizen_id
        )
        for name, value in sealed.items()
    }


def _decision(row: Consent) -> ConsentState:
    return ConsentState(
        consent_id=row.consent_id, purpose=row.purpose, text_version=row.text_version,
        text_hash=bytes(row.text_hash), decision=row.decision, channel=row.channel,
        decided_at=row.decided_at,
    )


def _published(row: ConsentText) -> PublishedText:
    return PublishedText(
        purpose=row.purpose, version=row.version, receiver=row.receiver, required=row.required,
        sensitive=row.sensitive, title=row.title, body=row.body, text_hash=row.text_hash,
        answer_due_on=row.answer_due_on,
    )
