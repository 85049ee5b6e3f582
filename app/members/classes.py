"""The coarse classes of everybody, for figures about groups: one bulk use, one line in the trail.

Identity numbers are opened for it and nothing of them leaves this module but age band, gender and
district.  They are not kept beside the citizen: such columns would tell about each person for ever
what is needed a few times a year.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select

from app.kernel.crypto import open_data_key
from app.kernel.database import reading, transaction
from app.kernel.keys import KeyProvider
from app.members.id_numbers import birth_date
from app.members.models import Citizen, CitizenKey, CitizenProfile
from app.members.sealing import PROFILES, open_field
from app.trail.assessments import require_assessment
from app.trail.operations import Actor, record_act

AGE_BANDS = ((65, "65+"), (55, "55-64"), (45, "45-54"), (35, "35-44"), (25, "25-34"), (0, "18-24"))
FEMALE, MALE, UNKNOWN = "female", "male", "unknown"
DISTRICT_DIGITS = 6

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CoarseClass:
    """What is told of a member: nothing that singles a person out in a city."""

    citizen_id: UUID
    age_band: str
    gender: str
    district: str
    join_year: int


def open_coarse_classes(
    *,
    keys: KeyProvider,
    slices: Iterable[tuple[UUID, UUID]],
    on: date,
    actor: Actor,
    subject: str,
    reason: str,
    assessment_id: UUID,
) -> Iterator[list[CoarseClass]]:
    """The classes of the members who are active and joined by a day, slice by slice of their ids.

    The line in the trail is committed before anything is opened; AssessmentMissing when nobody
    has assessed this use for `scoring`.
    """
    with transaction():
        require_assessment(assessment_id=assessment_id, kind="scoring")
        record_act(
            actor=actor, action="classes_opened", subject=subject, reason=reason,
            basis=f"impact assessment {assessment_id}",
        )
    log.info("coarse classes opened", extra={"actor": str(actor.id), "subject": subject})
    for first, last in slices:
        yield _slice(keys, first, last, on)


def _slice(keys: KeyProvider, first: UUID, last: UUID, on: date) -> list[CoarseClass]:
    query = (
        select(
            Citizen.citizen_id, Citizen.joined_on, CitizenProfile.id_number_sealed,
            CitizenKey.wrapped_key,
        )
        .join(CitizenProfile, CitizenProfile.citizen_id == Citizen.citizen_id)
        .join(CitizenKey, CitizenKey.citizen_id == Citizen.citizen_id)
        .where(
            Citizen.citizen_id.between(first, last), Citizen.status == "active",
            Citizen.joined_on <= on,
        )
    )
    with reading() as session:
        rows = session.execute(query).all()
    return [
        _class(citizen_id, joined_on, _id_number(keys, citizen_id, wrapped, sealed), on)
        for citizen_id, joined_on, sealed, wrapped in rows
    ]


def _id_number(keys: KeyProvider, citizen_id: UUID, wrapped: bytes, sealed: bytes) -> str:
    key = open_data_key(keys, wrapped, citizen_id=citizen_id)
    return open_field(
        key, sealed, table=PROFILES, column="id_number_sealed", citizen_id=citizen_id
    )


def _class(citizen_id: UUID, joined_on: date, number: str, on: date) -> CoarseClass:
    born_on = birth_date(number)
    return CoarseClass(
        citizen_id=citizen_id,
        age_band=UNKNOWN if born_on is None else age_band(born_on=born_on, on=on),
        gender=MALE if int(number[16]) % 2 else FEMALE,
        district=number[:DISTRICT_DIGITS],
        join_year=joined_on.year,
    )


def age_band(*, born_on: date, on: date) -> str:
    """The band of the whole years that somebody has lived by a day."""
    years = on.year - born_on.year - ((on.month, on.day) < (born_on.month, born_on.day))
    return next(band for least, band in AGE_BANDS if years >= least)
