"""Random households by random schemes: the database and plain Python agree on every figure."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.kernel.database import transaction
from app.kernel.ids import new_id
from tests.conftest import Sized
from tests.scoring.scheme_oracle import Fact
from tests.scoring.test_random_schemes import (
    DAYS,
    PEOPLE,
    TODAY,
    figures,
    keep,
    lines,
    people,
    require_oracle,
    schemes,
)


@dataclass(frozen=True)
class Adult:
    """In whose household somebody is (by place; None: in none), and whether that counts."""

    head: int | None
    since_on: date
    agreed: str
    status: str
    facts: list[Fact]

    @property
    def counts(self) -> bool:
        return self.agreed == "given" and self.status == "active"


@st.composite
def towns(draw: st.DrawFn) -> list[Adult]:
    """Whoever sits with somebody sits with a head."""
    town: list[Adult] = []
    for place, some in enumerate(draw(people())):
        heads = [at for at, one in enumerate(town) if one.head == at]
        town.append(Adult(
            head=draw(st.sampled_from([place, *heads, None])),
            since_on=TODAY - timedelta(days=draw(DAYS | st.integers(0, 420))),
            agreed=draw(st.sampled_from(["given"] * 4 + ["withdrawn", "never"])),
            status=draw(st.sampled_from(["active"] * 5 + ["left"])),
            facts=[replace(fact, number=f"N{place}-{fact.number}") for fact in some],
        ))
    return town


def keep_town(session: Session, citizens: list[UUID], town: list[Adult]) -> None:
    for citizen, one in zip(citizens, town, strict=True):
        kept = {
            "citizen": citizen, "head": None if one.head is None else citizens[one.head],
            "since_on": one.since_on, "status": one.status, "id": new_id(), "agreed": one.agreed,
        }
        session.execute(
            text("UPDATE citizens SET status = :status WHERE citizen_id = :citizen"), kept
        )
        if one.agreed != "never":
            session.execute(CONSENT, kept)
        if one.head is not None:
            session.execute(SEAT, kept)


SEAT = text("""
    INSERT INTO household_seats (citizen_id, head_id, since_on) VALUES (:citizen, :head, :since_on)
""")
CONSENT = text("""
    INSERT INTO consents (citizen_id, consent_id, purpose, text_version, text_hash, decision,
                          channel, decided_at)
    SELECT :citizen, :id, 'household', 1, '', :agreed, 'wechat', now()
""")


def facts_of(town: list[Adult], head: int) -> list[Fact] | None:
    """What counts for a household; None when there is none."""
    if town[head].head != head or not town[head].counts:
        return None
    return [
        fact
        for one in town if one.head == head and one.counts
        for fact in one.facts if fact.event_on >= one.since_on
    ]


@pytest.mark.sized
def test_households_by_any_scheme(app: Flask, sized: Sized) -> None:
    versions = iter(range(1_000_000))

    @settings(max_examples=sized(ci=60, full=3000), deadline=None, database=None,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(document=schemes(), town=towns())
    def agree(document: str, town: list[Adult]) -> None:
        version = str(next(versions))
        document = f'subject = "household"\n{document}'
        citizens = keep(version, document, [one.facts for one in town])
        scheme = tomllib.loads(document)
        with transaction() as session:
            keep_town(session, citizens, town)
        found, told = figures(version, citizens), lines(version, citizens)
        for place in range(PEOPLE):
            some = facts_of(town, place)
            if some is None:
                assert citizens[place] not in found
                assert told[citizens[place]] == {}
                continue
            require_oracle(scheme, some, found.get(citizens[place]), told[citizens[place]])

    agree()
