"""R17, R18: what speaks against somebody ends, and whoever was told is told that too."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from dateutil.relativedelta import relativedelta
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.kernel.working_days import add_working_days
from app.records.adverse import find_adverse
from app.records.catalogue import CatalogueError, parse_catalogue, read_catalogue_file
from app.records.severity import MOST_DAYS, Severity, latest_end, repair_from
from app.repairs.endings import tell_ended
from app.repairs.queries import repair_state
from app.scoring.queries import list_scores, scheme_in_force
from app.scoring.refreshing import verify
from app.trail.queries import list_shares
from tests.redemptions.builders import make_clerk, publish_benefit
from tests.repairs.town import FAULTS, TERM, Town, make_town

REASON = {"reason": "核对修复材料"}


@pytest.fixture
def town(app: Flask) -> Town:
    return make_town(app)


def notices_of(town: Town) -> set[tuple[str, str, int]]:
    status, found = town.ask(town.operator, "GET", "/end-notices")
    assert status == 200
    return {
        (one["receiver_kind"], one["receiver_id"], one["share_count"]) for one in found["notices"]
    }


def shares_of(town: Town, number: str) -> set[tuple[str, str, int]]:
    """What the sharing log says of the time since the record came."""
    known = find_adverse(
        citizen_id=town.holder.citizen_id, record_type="faults", record_number=number
    )
    assert known is not None
    found: dict[tuple[str, str], int] = {}
    for one in list_shares(citizen_id=town.holder.citizen_id, since=known.known_from_at):
        key = (one.actor_kind, str(one.actor_id))
        found[key] = found.get(key, 0) + 1
    return {(*key, count) for key, count in found.items()}


def show_at_counters(town: Town) -> list[Any]:
    """Two clerks look at the citizen, one of them twice; the citizen takes a statement."""
    ticket = publish_benefit(town.app, price_points=0)
    clerks = [make_clerk(town.app, takes=(ticket,)) for _ in range(2)]
    for clerk in (*clerks, clerks[0]):
        code = town.holder.pass_code(town.client)
        assert clerk.preview(town.client, code=code).status_code == 200
    return clerks


def test_r18_a_repair_ends_use_at_once_and_every_receiver_is_told(town: Town) -> None:
    town.deliver("F-1", town.today - timedelta(days=400))
    assert (town.total(), town.adverse()) == (40, ["F-1"])
    clerks = show_at_counters(town)
    application_id = str(new_id())
    for _ in range(2):
        assert town.request("F-1", application_id=application_id)[0] == 201
    other = town.request("F-1", application_id=application_id, commitment="别的")
    assert other == (422, "id_reused")
    assert town.request("F-1") == (409, "repair_pending")
    listed = town.ask(town.operator, "GET", "/repairs")[1]["repairs"]
    assert [one["application_id"] for one in listed] == [application_id]
    path = f"/repairs/{application_id}"
    status, whole = town.ask(town.operator, "POST", f"{path}/reading", REASON)
    assert (status, whole["commitment"]) == (200, "按期履行")
    assert notices_of(town) == set()

    said = {"outcome": "granted", "reasons": "义务已履行完毕"}
    assert town.ask(town.operator, "POST", f"{path}/decision", said)[0] == 200
    assert town.ask(town.operator, "POST", f"{path}/decision", said) == (409, "repair_decided")
    assert (town.total(), town.adverse()) == (50, [])
    assert verify(as_of=town.today) == []
    explained = town.ask(town.holder.headers, "GET", "/me/score/explanation")[1]
    assert "F-1" not in str(explained)
    assert notices_of(town) == shares_of(town, "F-1")
    assert {count for _, _, count in notices_of(town)} == {1, 2}
    for clerk in clerks:
        own = town.ask(clerk.headers, "GET", "/end-notices")[1]["notices"]
        assert [one["receiver_id"] for one in own] == [str(clerk.staff_id)]
        assert str(town.holder.citizen_id) not in str(own)
    assert tell_ended(limit=10) == 0  # nobody is told twice
    town.deliver("F-1", town.today - timedelta(days=300), version=2)
    assert (town.total(), town.adverse()) == (50, [])  # once repaired it stays ended
    mine = town.ask(town.holder.headers, "GET", "/me/repairs")[1]["repairs"]
    assert [(one["line"]["state"], one["reasons"], one["decided_by"]) for one in mine] == [
        ("granted", "义务已履行完毕", "窗口")
    ]


def test_r17_a_record_ends_with_its_term_and_nothing_needs_to_happen(town: Town) -> None:
    last = town.today - TERM + timedelta(days=1)  # today is the last day that counts
    town.deliver("F-1", last)
    town.deliver("F-2", last - timedelta(days=1))  # its term ended with yesterday
    assert (town.total(), town.adverse()) == (40, ["F-1"])
    scheme, citizens = scheme_in_force(on=town.today), [town.holder.citizen_id]
    assert scheme is not None
    with reading() as session:
        live = [
            session.scalars(
                text("SELECT record_number FROM records_live(:on) ORDER BY 1"), {"on": day}
            ).all()
            for day in (town.today, town.today + timedelta(days=1))
        ]
        changes_on = session.scalar(text("SELECT changes_on FROM scores"))
    assert live == [["F-1"], []]
    assert changes_on == town.today + timedelta(days=1)  # computed anew at that midnight
    totals = [
        list_scores(scheme=scheme, as_of=day, citizen_ids=citizens)[0].total
        for day in (town.today, town.today + timedelta(days=1))
    ]
    assert totals == [40, 50]


def test_r17_r18_at_the_end_of_the_term_receivers_are_told_once(town: Town) -> None:
    town.deliver("F-1", town.today - TERM + timedelta(days=1))
    show_at_counters(town)
    assert (tell_ended(limit=10), notices_of(town)) == (0, set())
    with transaction() as session:  # the night has passed
        session.execute(text("UPDATE adverse_records SET ends_on = ends_on - 1"))
    assert (tell_ended(limit=10), tell_ended(limit=10)) == (1, 0)
    assert notices_of(town) == shares_of(town, "F-1") != set()


def test_r17_a_voided_record_has_ended_too(town: Town) -> None:
    town.deliver("F-1", town.today - timedelta(days=30))
    show_at_counters(town)
    town.deliver("F-1", town.today - timedelta(days=30), version=2, status="作废")
    assert (town.total(), town.adverse()) == (50, [])
    assert tell_ended(limit=10) == 1
    assert notices_of(town) == shares_of(town, "F-1") != set()


def test_repairs_wait_for_their_least_time(town: Town) -> None:
    a_year_ago = town.today - relativedelta(months=12)
    town.deliver("F-1", a_year_ago + timedelta(days=1))
    assert town.request("F-1") == (409, "repair_too_early")
    town.deliver("F-1", a_year_ago, version=2)
    assert town.request("F-1")[0] == 201
    assert town.request("F-9") == (404, "adverse_record_unknown")
    assert town.ask(
        town.operator, "POST", f"/repairs/{new_id()}/reading", REASON
    ) == (404, "repair_unknown")


def test_r17_months_are_those_of_the_calendar_on_every_day(app: Flask) -> None:
    """The database counts the same months: 3, 12 and 36 at most, 0, 3 and 12 before a repair."""
    months = text("""
        SELECT CAST(day AS date) AS day, CAST(CAST(:most AS interval) + day AS date) AS most,
            CAST(CAST(:least AS interval) + day AS date) AS least
        FROM generate_series(timestamp '2026-01-01', '2029-12-31', '1 day') AS day
    """)
    for severity, most, least in (("minor", 3, 0), ("general", 12, 3), ("serious", 36, 12)):
        with reading() as session:
            days = session.execute(
                months, {"most": f"{most} months", "least": f"{least} months"}
            ).all()
        assert len(days) == 4 * 365 + 1
        for day, most_on, least_on in days:
            assert latest_end(Severity(severity), day) == most_on
            assert repair_from(Severity(severity), day) == least_on
        # The longest term in days that a catalogue may set is one that some months have.
        assert max(most_on - day for day, most_on, _ in days).days == MOST_DAYS[Severity(severity)]


@pytest.mark.parametrize(("severity", "days", "document_on", "ends_on"), [
    ("minor", 92, "2026-02-01", "2026-05-01"),  # of 89 days
    ("minor", 92, "2026-07-15", "2026-10-15"),  # of 92
    ("minor", 60, "2026-02-01", "2026-04-02"),  # the type's own term is the shorter one
    ("minor", 92, "2025-11-30", "2026-02-28"),  # there is no 30 February
    ("general", 366, "2025-03-01", "2026-03-01"),
    ("serious", 1_096, "2025-03-01", "2028-03-01"),
    ("serious", 1_096, "2024-03-01", "2027-03-01"),  # no leap day in it: 1095
])  # fmt: skip
def test_r17_no_term_is_longer_than_its_months(
    app: Flask, severity: str, days: int, document_on: str, ends_on: str
) -> None:
    town = make_town(app, term_days=days, severity=severity)
    town.deliver("F-1", date.fromisoformat(document_on))
    with reading() as session:
        ends = session.execute(text("SELECT ends_on FROM adverse_records")).scalar_one()
        replaced = session.execute(text("SELECT replaced_on FROM records")).scalar_one()
    assert (str(ends), str(replaced)) == (ends_on, ends_on)


def test_r17_applications_at_risk_and_late_ones_are_seen(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    town = make_town(committing_app)
    town.deliver("F-1", town.today - relativedelta(months=12))
    assert town.request("F-1")[0] == 201
    with committing_app.app_context():
        next_day = (add_working_days(town.today, 1) - town.today).days

    def seen() -> tuple[int, float, float]:
        status, found = town.ask(town.operator, "GET", "/repairs?at_risk=true")
        assert status == 200
        with committing_app.app_context():
            state = repair_state()
        return len(found["repairs"]), state["repairs_at_risk"], state["repairs_late"]

    assert seen() == (0, 0, 0)
    for days, late in ((next_day, 0), (0, 0), (-1, 1)):
        due = town.today + timedelta(days=days)
        admin.execute("UPDATE repair_applications SET decide_due_on = %s", (due,))
        assert seen() == (1, 1, late)
    assert len(town.ask(town.operator, "GET", "/repairs")[1]["repairs"]) == 1


def test_r17_categories_bound_their_terms() -> None:
    whole = read_catalogue_file("jinhua")
    for severity, most in (("minor", 92), ("general", 366), ("serious", 1_096)):
        for days in (most, most + 1):
            changed = FAULTS.replace('"serious"', f'"{severity}"').replace("1095", str(days))
            changed = changed.replace(f"retention_days = {days}", "retention_days = 1095")
            if days == most:
                kind = parse_catalogue(whole + changed).record_types["faults"]
                assert (kind.severity, kind.term_days) == (severity, most)
            else:
                with pytest.raises(CatalogueError, match="term_days"):
                    parse_catalogue(whole + changed)
    with pytest.raises(CatalogueError, match="severity"):
        parse_catalogue(whole.replace(
            'code = "honours"', 'code = "honours"\nseverity = "minor"', 1
        ))
