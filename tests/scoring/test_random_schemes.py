"""Random schemes over random records: the database and plain Python agree on every figure."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.records.catalogue import load_catalogue, parse_catalogue, read_catalogue_file
from app.scoring.counting import AS_OF
from app.scoring.lines import select_lines
from app.scoring.operations import insert_scheme
from app.scoring.queries import published_scheme
from app.scoring.scheme import parse_scheme
from app.scoring.subjects import records_of
from app.scoring.totals import select_totals
from tests.conftest import Sized
from tests.scoring import scheme_oracle
from tests.scoring.scheme_oracle import Fact

FAULTS = """
[[record_type]]
code = "faults"
title = "失信记录"
unit = "市法院"
disclosure = "government"
legal_basis = "民事诉讼法"
update_frequency = "monthly"
retention_days = 400
positive = false
directory = "全国公共信用信息基础目录"
evidence = "案号"
term_days = 400
item = ["类别"]
items = ["轻微", "较重"]
unknown_item = "unknown_item"
columns = [
  { name = "记录编号", kind = "code" },
  { name = "身份证号", kind = "id" },
  { name = "文书日期", kind = "date" },
  { name = "类别", kind = "code" },
  { name = "案号", kind = "code" },
  { name = "有效期至", kind = "last_day", optional = true },
]
"""
CATALOGUE = parse_catalogue(read_catalogue_file("jinhua") + FAULTS)
TODAY = date(2026, 6, 30)
ITEMS = sorted(load_catalogue().record_types["honours"].items)[:3]
ITEMS_OF = {"honours": ITEMS, "faults": ["轻微", "较重"]}
MEASURE_OF = {"volunteer_hours": "hours", "charity_donations": "yuan", "public_credit": "basic"}
# Halves and boundary days come often: there the rounding and the ends of validity are decided.
VALUES = st.sampled_from(["0.5", "2.5", "7.5"]) | st.decimals("0.1", "40", places=2).map(str)
DAYS = st.sampled_from([1, 30, 90, 180, 365]) | st.integers(1, 399)
PEOPLE = 3
ALMOST = Fraction(1, 10**9)  # a line of linear decay is divided by itself


def optional(draw: st.DrawFn, **choices: st.SearchStrategy[Any]) -> dict[str, Any]:
    return {key: draw(of) for key, of in choices.items() if draw(st.booleans())}


def decay(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["none", "linear", "steps"]))
    days = draw(DAYS)
    if kind == "linear":
        return {"decay": "linear", "validity_days": days}
    if kind == "none":
        return optional(draw, validity_days=st.just(days))
    found = sorted(draw(st.sets(DAYS, min_size=1, max_size=3)))
    shares = ["0.75", "0.5", "0.1"]
    steps = [{"from_day": day, "share": shares[at]} for at, day in enumerate(found)]
    return {"decay": "steps", "steps": steps, "validity_days": 400}


def values_of(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    if kind not in ITEMS_OF:
        return {"value": draw(VALUES)}
    sign = "-" if kind == "faults" else ""
    return {"items": {item: sign + draw(VALUES) for item in ITEMS_OF[kind]}}


@st.composite
def indicators(draw: st.DrawFn, code: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "code": code, "dimension": draw(st.sampled_from("12")), "name": code,
        "cap": draw(st.integers(0, 120)),
    }  # fmt: skip
    rule, unit, kind = draw(st.sampled_from([
        ("base", None, None), ("factor", None, "public_credit"), ("table", None, "honours"),
        ("table", None, "faults"), ("best_of", None, "honours"), ("once", None, "blood_donations"),
        ("per_unit", "record", "community_service"), ("per_unit", "record", "faults"),
        ("per_unit", "hour", "volunteer_hours"), ("per_unit", "month", "honours"),
        ("per_unit", "hundred_yuan", "charity_donations"),
    ]))  # fmt: skip
    made["rule"] = rule
    if kind is None:
        return made | {"value": draw(VALUES | st.just("0"))}
    made |= {"record_type": kind, **values_of(draw, kind)}
    made |= {"unit": unit} if unit else {}
    if rule == "factor" or unit in {"hour", "hundred_yuan"}:
        made["measure"] = MEASURE_OF[kind]
    if unit != "hundred_yuan":
        made |= decay(draw)
    if kind == "faults":
        made["validity_days"] = made.get("validity_days", 400)
        made["until_record_ends"] = draw(st.booleans())
    if rule != "factor" and draw(st.booleans()):
        made |= {"period": draw(st.sampled_from(["month", "quarter", "year"])),
                 "period_cap": draw(VALUES)}  # fmt: skip
    return made


@st.composite
def schemes(draw: st.DrawFn) -> str:
    rules = [draw(indicators(str(at))) for at in range(draw(st.integers(1, 6)))]
    scheme = {
        "code": "random", "title": "随机", "legal_basis": "试验",
        "total_cap": draw(st.integers(1, 400)),
        "tier": [], "dimension": [
            {"code": code, "name": code, "cap": draw(st.integers(0, 200))} for code in "12"
        ],
        "indicator": rules, "points": {"daily_cap_points": 1, "lot_days": 1},
    }  # fmt: skip
    return "\n".join(f"{key} = {inline(value)}" for key, value in scheme.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {inline(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@st.composite
def facts(draw: st.DrawFn, at: int) -> Fact:
    kind = draw(st.sampled_from([*ITEMS_OF, *MEASURE_OF, "blood_donations", "community_service"]))
    number = st.decimals("0.1", "170", places=1).map(str)
    event_on = TODAY - timedelta(days=draw(DAYS | st.integers(0, 420)))
    lasts = draw(st.none() | DAYS) if kind == "faults" else None
    return Fact(
        kind=kind,
        number=f"N{at}",
        event_on=event_on,
        ends_on=None if lasts is None else event_on + timedelta(days=lasts),
        item=draw(st.sampled_from(ITEMS_OF[kind])) if kind in ITEMS_OF else None,
        measures={MEASURE_OF[kind]: draw(number)} if kind in MEASURE_OF else {},
    )


@st.composite
def people(draw: st.DrawFn) -> list[list[Fact]]:
    counts = [draw(st.integers(0, 14)) for _ in range(PEOPLE)]
    return [[draw(facts(at)) for at in range(count)] for count in counts]


def keep(version: str, document: str, everybody: list[list[Fact]]) -> list[UUID]:
    citizens = [new_id() for _ in everybody]
    with transaction() as session:
        on = date(2000, 1, 1) + timedelta(days=int(version))
        full = f'version = "{version}"\neffective_on = {on}\n{document}'
        insert_scheme(session, parse_scheme(full, catalogue=CATALOGUE))
        for citizen, some in zip(citizens, everybody, strict=True):
            session.execute(
                text("INSERT INTO citizens (citizen_id, joined_on) VALUES (:id, '2020-01-01')"),
                {"id": citizen},
            )
            keep_facts(session, citizen, some)
    return citizens


def keep_facts(session: Session, citizen: UUID, some: list[Fact]) -> None:
    for fact in some:
        session.execute(KEEP_RECORD, vars(fact) | {
            "citizen": citizen, "measures": json.dumps(fact.measures), "id": new_id(),
        })  # fmt: skip


KEEP_RECORD = text("""
    INSERT INTO records (citizen_id, record_type, record_number, version, is_void, event_on,
                         ends_on, item, measures, content_digest, delivery_id, row_number,
                         delivered_on)
    VALUES (:citizen, :kind, :number, 1, false, :event_on, :ends_on, :item,
            CAST(:measures AS jsonb), '', :id, 1, :event_on)
""")


@dataclass(frozen=True)
class Figures:
    """What the database says of somebody; an indicator is its exact value, rounded, and cut."""

    total: int
    changes_on: date | None
    indicators: dict[str, tuple[Fraction, int, int]]


def figures(version: str, citizens: list[UUID]) -> dict[UUID, Figures]:
    """Of everybody at once, who has any."""
    scheme = published_scheme(code="random", version=version)
    wanted = select_totals(
        scheme, among=lambda citizen_id: citizen_id.in_(citizens), with_indicators=True
    )
    with reading() as session:
        return {
            row.citizen_id: Figures(row.total, row.changes_on, {
                code: (Fraction(exact), rounded, points)
                for code, (exact, rounded, points) in row.indicators.items()
            })
            for row in session.execute(wanted, {"as_of": TODAY})
        }  # fmt: skip


def lines(version: str, citizens: list[UUID]) -> dict[UUID, dict[str, Fraction]]:
    """The sums of the lines of each indicator."""
    scheme = published_scheme(code="random", version=version)
    found = records_of(scheme.subject, AS_OF)
    mine = select(found).where(found.c.citizen_id.in_(citizens)).cte()
    sums: dict[UUID, dict[str, Fraction]] = {one: {} for one in citizens}
    with reading() as session:
        for line in session.execute(select_lines(scheme, records=mine), {"as_of": TODAY}):
            of = sums[line.citizen_id]
            of[line.indicator] = of.get(line.indicator, Fraction(0)) + Fraction(line.value)
    return sums


def require_oracle(
    scheme: dict[str, Any], some: list[Fact], found: Figures | None, told: dict[str, Fraction]
) -> None:
    """The oracle's figures, the sums of lines, and the first day that differs from this one."""
    points, total = scheme_oracle.total(scheme, some, TODAY)
    given = found.indicators if found else {}
    assert {code: cut for code, (_, _, cut) in given.items() if cut} == {
        code: value for code, value in points.items() if value
    }
    assert (found.total if found else 0) == total
    for rule in scheme["indicator"]:
        exact = scheme_oracle.exact(rule, some, TODAY)
        said, rounded, _ = given.get(rule["code"], (Fraction(0), 0, 0))
        assert abs(said - exact) < ALMOST
        assert rounded == scheme_oracle.rounded(exact)
        if rule["rule"] != "base":
            assert abs(told.get(rule["code"], Fraction(0)) - exact) < ALMOST
    assert (found.changes_on if found else None) == scheme_oracle.changes_on(scheme, some, TODAY)


@pytest.mark.sized
def test_any_scheme_gives_what_its_rules_say(app: Flask, sized: Sized) -> None:
    versions = iter(range(1_000_000))

    @settings(max_examples=sized(ci=60, full=3000), deadline=None, database=None,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(document=schemes(), everybody=people())
    def agree(document: str, everybody: list[list[Fact]]) -> None:
        version = str(next(versions))
        citizens = keep(version, document, everybody)
        scheme = tomllib.loads(document)
        found, told = figures(version, citizens), lines(version, citizens)
        for citizen, some in zip(citizens, everybody, strict=True):
            require_oracle(scheme, some, found.get(citizen), told[citizen])

    agree()
