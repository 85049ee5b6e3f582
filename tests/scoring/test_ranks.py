"""Ranks: computed once among those who agreed, told to each alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.households import operations as households
from app.kernel.database import db, reading, transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.records.queries import current_day
from app.scoring import operations, ranks
from app.scoring.operations import put_in_force
from app.scoring.queries import published_scheme
from app.scoring.rules import Period
from app.scoring.showing import last_closed_day
from tests.conftest import Sized
from tests.households.town import TEXT, Villager, villager
from tests.scoring.scheme_oracle import Fact
from tests.scoring.test_household_scores import LONGYOU, XIANGSHAN, deliver, did, publish, settle
from tests.scoring.test_random_schemes import inline, keep

RANKS = "/me/ranks"
QUARTERLY = {'period = "year"': 'period = "quarter"'}
CLOSED = last_closed_day(Period.QUARTER, date(2026, 7, 2))
SERVICE = "community_service"


@dataclass(frozen=True)
class City:
    """The web and the worker, each with the rights of its role."""

    web: Flask
    worker: Flask

    def close(self, today: date | None = None) -> int:
        """What the worker does when periods are over; how many ranks."""
        with self.worker.app_context():
            made = ranks.keep_ranks(today=today)
            db.session.remove()
        return made


@pytest.fixture
def city(committing_app: Flask, job_app: Flask) -> Iterator[City]:
    with committing_app.app_context():
        yield City(committing_app, job_app)
        db.session.remove()


@dataclass(frozen=True)
class Person:
    """Somebody with so many deeds."""

    village: str | None
    agreed: str
    deeds: int

    @property
    def total(self) -> int:
        return 5 + 10 * self.deeds


def scheme_with(rank: dict[str, Any]) -> str:
    parts = {
        "code": "random", "title": "随机", "legal_basis": "试验", "total_cap": 100,
        "dimension": [{"code": "1", "name": "1", "cap": 100}],
        "rank": [{"title": "前列", "period": "quarter"} | rank],
        "indicator": [
            {"code": "0", "dimension": "1", "name": "0", "cap": 5, "rule": "base", "value": "5"},
            {"code": "1", "dimension": "1", "name": "1", "cap": 90, "rule": "per_unit",
             "unit": "record", "value": "10", "record_type": SERVICE},
        ],
        "points": {"daily_cap_points": 1, "lot_days": 1},
    }  # fmt: skip
    return "\n".join(f"{key} = {inline(value)}" for key, value in parts.items())


def keep_people(version: str, rank: dict[str, Any], people: Sequence[Person]) -> list[UUID]:
    """A town by a scheme of its own, in force, with everybody's consents and villages."""
    facts = [
        [Fact(SERVICE, f"N{place}-{at}", CLOSED) for at in range(one.deeds)]
        for place, one in enumerate(people)
    ]
    with transaction() as session:
        session.execute(text("UPDATE citizens SET status = 'left'"))  # of the examples before
    citizens = keep(version, scheme_with({"code": version, **rank}), facts)
    with transaction() as session:
        put_in_force(session, published_scheme(code="random", version=version))
        for citizen, one in zip(citizens, people, strict=True):
            kept = {"id": citizen, "row": new_id(), "said": one.agreed, "village": one.village}
            if one.agreed != "never":
                session.execute(CONSENT, kept)
            if one.village is not None:
                session.execute(RESIDENT, kept)
    return citizens


CONSENT = text("""
    INSERT INTO consents (citizen_id, consent_id, purpose, text_version, text_hash, decision,
                          channel, decided_at)
    SELECT :id, :row, 'ranking', 1, '', :said, 'wechat', now()
""")
RESIDENT = text("INSERT INTO village_residents (citizen_id, village_code) VALUES (:id, :village)")


def results() -> dict[UUID, bool]:
    with reading() as session:
        rows = session.execute(text("SELECT citizen_id, is_reached FROM rank_results"))
        return {row.citizen_id: row.is_reached for row in rows}


def expected(rank: dict[str, Any], people: Sequence[Person]) -> dict[int, bool]:
    """By place in the list, who is told what: the rule once more, by looking at everybody."""
    found = {}
    for place, one in enumerate(people):
        others = [
            other for other in people if other.agreed == "given"
            and (rank["among"] == "programme" or other.village == one.village)
        ]
        above = sum(other.total > one.total for other in others)
        left_out = one.agreed != "given" or (rank["among"] == "village" and one.village is None)
        if left_out or len(others) < max(20, 2 * rank.get("top_count", 0)):
            continue
        if "top_count" in rank:
            is_among = above < rank["top_count"]
        else:
            is_among = above / len(others) < rank["top_percent"] / 100
        found[place] = is_among and one.total >= rank.get("least_total", 0)
    return found


PERSON = st.builds(
    Person,
    village=st.sampled_from(["a", "a", "a", "b", None]),
    agreed=st.sampled_from(["given"] * 8 + ["withdrawn", "never"]),
    deeds=st.integers(0, 4),
)
RANK = st.fixed_dictionaries(
    {"among": st.sampled_from(["village", "programme"])},
    optional={"least_total": st.sampled_from([6, 15, 26])},
)
TOP = st.one_of(
    st.builds(lambda n: {"top_percent": n}, st.integers(1, 50)),
    st.builds(lambda n: {"top_count": n}, st.integers(1, 20)),
)


@pytest.mark.sized
def test_any_rank_is_what_looking_at_everybody_gives(city: City, sized: Sized) -> None:
    versions = iter(range(1_000_000))
    for code in "ab":
        households.add_village(village_code=code, name=code)

    @settings(max_examples=sized(ci=20, full=1000), deadline=None, database=None,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(rank=RANK, top=TOP, people=st.lists(PERSON, min_size=15, max_size=60))
    def agree(rank: dict[str, Any], top: dict[str, int], people: list[Person]) -> None:
        version = str(next(versions))
        citizens = keep_people(version, rank | top, people)
        assert city.close(CLOSED + timedelta(days=2)) == 1
        told = expected(rank | top, people)
        found = results()
        mine = {at: found[one] for at, one in enumerate(citizens) if one in found}
        assert mine == told
        with transaction() as session:
            session.execute(text("DELETE FROM rank_results"))

    agree()


def agree_to_be_ranked(one: Villager) -> None:
    ranks.take_part(citizen_id=one.citizen_id, text_version=1)


def outcomes(one: Villager) -> dict[str, str]:
    told = one.get(RANKS)
    return {rank["rule"]["code"]: rank["outcome"] for rank in told["ranks"]}


def in_village(*people: Villager) -> None:
    households.add_village(village_code="3307", name="上河村")
    for one in people:
        households.choose_village(citizen_id=one.citizen_id, village_code="3307")


def xiangshan(city: City, count: int) -> list[Villager]:
    """So many villagers who take part; the first three of them with deeds."""
    publish(XIANGSHAN)
    people = [villager(city.web) for _ in range(count)]
    in_village(*people)
    for one in people:
        agree_to_be_ranked(one)
    closed = last_closed_day(Period.QUARTER, current_day())
    for one, item in zip(people, ("信用承诺", "志愿服务", "按时缴费"), strict=False):
        did(one, ("common_items", closed, item))
    return people


def test_each_is_told_alone_and_no_place(city: City) -> None:
    people = xiangshan(city, 20)
    assert set(outcomes(people[0]).values()) == {"pending"}
    assert city.close() == 3
    # Two are equal at the top; five per cent of twenty are one, and equal is equal.
    for one in people[:2]:
        assert outcomes(one) == {"best_10": "reached", "best_20": "not_ranked", "top_5": "reached"}
    assert outcomes(people[2]) == {
        "best_10": "reached", "best_20": "not_ranked", "top_5": "not_reached",
    }
    assert outcomes(people[3])["best_10"] == "not_reached"  # nothing but the starting value
    told = str(people[0].get(RANKS))
    assert not [one for one in people if str(one.citizen_id) in told or one.name in told]
    assert people[0].get(RANKS)["ranks"][0]["rule"]["title"] == "诚信指数前 10 名"
    assert {*people[0].get(RANKS)["ranks"][0]} == {"rule", "closed_on", "outcome"}


def test_where_few_take_part_nothing_is_computed(city: City) -> None:
    people = xiangshan(city, 19)
    in_village(villager(city.web))  # a member who did not agree makes no crowd
    assert city.close() == 3
    assert set(outcomes(people[0]).values()) == {"not_ranked"}
    assert results() == {}


def test_a_rank_stands_once_it_is_computed(city: City) -> None:
    """Coming, going and asking again teaches nothing of others."""
    people = xiangshan(city, 21)
    city.close()
    before = outcomes(people[0])
    late = villager(city.web)
    in_village(late)
    agree_to_be_ranked(late)
    ranks.stop_taking_part(citizen_id=people[1].citizen_id)
    assert city.close() == 0
    assert outcomes(people[0]) == before
    assert set(outcomes(late).values()) == {"not_ranked"}


def test_who_stops_taking_part_is_told_nothing_and_nothing_is_kept(city: City) -> None:
    people = xiangshan(city, 20)
    city.close()
    one = people[0]
    one.do("POST", "/me/ranks/leave", status=204)
    assert one.get(RANKS) == {"consent_state": "withdrawn", "takes_part": False, "ranks": []}
    assert one.citizen_id not in results()
    assert one.do("POST", RANKS, TEXT)["takes_part"] is True
    assert set(outcomes(one).values()) == {"not_ranked"}


@pytest.fixture
def newer_text(city: City, admin: psycopg.Connection[Any]) -> Iterator[Callable[[], None]]:
    """Texts outlive a test: this one is taken back."""
    yield lambda: check_version(members.publish_text(
        purpose="ranking", receiver="市民诚信卡平台", required=False, sensitive=False,
        title="参加位次评定", body="新的条款",
    ))
    admin.execute("DELETE FROM consent_texts WHERE purpose = 'ranking' AND version = 2")


def check_version(version: int) -> None:
    assert version == 2


def test_a_newer_text_stops_the_telling(city: City, newer_text: Callable[[], None]) -> None:
    one = xiangshan(city, 20)[0]
    city.close()
    newer_text()
    assert one.get(RANKS) == {"consent_state": "stale", "takes_part": False, "ranks": []}
    assert one.refusal("POST", RANKS, TEXT) == "consent_stale"
    assert one.do("POST", RANKS, {"text_version": 2})["takes_part"] is True


def test_who_left_the_programme_is_not_compared(city: City) -> None:
    people = xiangshan(city, 20)
    with transaction() as session:
        session.execute(
            text("UPDATE citizens SET status = 'left' WHERE citizen_id = :id"),
            {"id": people[-1].citizen_id},
        )
    city.close()
    assert results() == {}  # nineteen are too few


def test_a_household_is_ranked_when_every_adult_agrees(city: City) -> None:
    publish(LONGYOU)
    closed = last_closed_day(Period.YEAR, current_day())
    head, other = villager(city.web), villager(city.web)
    settle(closed, head, other)
    agree_to_be_ranked(head)
    assert head.get(RANKS) == {"consent_state": "given", "takes_part": False, "ranks": []}
    agree_to_be_ranked(other)
    for one in (head, other):
        assert outcomes(one) == {"biaobing": "pending"}
    other.do("POST", "/me/ranks/leave", status=204)
    assert head.get(RANKS)["takes_part"] is False


def test_a_household_reaches_a_rank_together(city: City) -> None:
    publish(LONGYOU, QUARTERLY)
    closed = last_closed_day(Period.QUARTER, current_day())
    head, other = villager(city.web), villager(city.web)
    settle(closed - timedelta(days=30), head, other)
    did(other, ("safety", closed, "安全用火"))
    for one in (head, other):
        agree_to_be_ranked(one)
    for _ in range(19):
        single = villager(city.web)
        settle(closed - timedelta(days=30), single)
        agree_to_be_ranked(single)
    assert city.close() == 1
    for one in (head, other):
        assert outcomes(one) == {"biaobing": "reached"}
    assert outcomes(single) == {"biaobing": "not_reached"}
    assert other.citizen_id not in results()
    # When the household is over, so is what it reached.
    head.do("POST", "/me/household/leave", status=204)
    operations.refresh_household(head_id=head.citizen_id, is_over=True)
    assert head.citizen_id not in results()


def test_ranks_wait_for_the_last_deliveries(city: City) -> None:
    publish(LONGYOU, QUARTERLY)
    closed = last_closed_day(Period.QUARTER, current_day())
    deliver(city.web, (villager(city.web), closed, "安全用火", "安装独立烟感"), on=closed)
    for days, count in ((1, 0), (7, 0), (8, 1), (9, 0)):
        assert city.close(closed + timedelta(days=days)) == count


def test_a_later_delivery_ends_the_waiting(city: City) -> None:
    publish(LONGYOU, QUARTERLY)
    closed = last_closed_day(Period.QUARTER, current_day())
    after = closed + timedelta(days=1)
    deliver(city.web, (villager(city.web), closed, "安全用火", "安装独立烟感"), on=after)
    assert city.close(after) == 1
