"""Trying new rules on everybody: the same arithmetic, progress, and what operators are shown."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app import factory
from app.kernel.database import alone, db, reading, transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.members.operations import NewMember, register_members
from app.records.queries import current_day
from app.scoring.charts import PAGE_POLICY, figures_csv, figures_page
from app.scoring.dry_runs import (
    DryRunUnknown,
    carry_out_dry_run,
    compare,
    request_dry_run,
    resume_dry_runs,
    show_dry_run,
)
from app.scoring.figures import NO_TIER, Comparison, Outcome
from app.scoring.operations import open_score
from app.scoring.recomputations import finish_running, start_recomputation
from app.scoring.scheme import read_scheme_file
from app.scoring.version_queries import VersionName
from app.scoring.versions import propose_scheme
from demo.load import publish_catalogue
from tests.conftest import Sized
from tests.households.town import villager
from tests.members.api import bearer, keys_of, staff_tokens
from tests.members.people import made_up_id_number
from tests.records.programme import Programme, build_programme
from tests.scoring.drafts import (
    NOTICE_DAYS,
    REASON,
    Draft,
    finish_dry_run,
    later_text,
    make_assessment,
)
from tests.scoring.test_household_scores import LONGYOU, deliver, publish, settle

# Hours count three times as much, and two tiers begin elsewhere.
EFFECTIVE_ON = date(2027, 6, 1)  # while the records of the city count
CHANGED = {
    "least_total = 550": "least_total = 420", "least_total = 650": "least_total = 500",
    'unit = "hour"\nvalue = "0.5"': 'unit = "hour"\nvalue = "1.5"',
}


@pytest.fixture
def city(committing_app: Flask, job_app: Flask, sized: Sized) -> Iterator[Programme]:
    """A population of all ages, with records, seen by the worker's role."""
    with committing_app.app_context():
        programme = build_programme(committing_app)
        populate(programme, sized(ci=240, full=5_000))
        db.session.remove()
    with job_app.app_context():
        yield programme
        db.session.remove()


def populate(programme: Programme, count: int) -> None:
    chance = random.Random(7)
    people = [
        NewMember(
            name="王芳",
            id_number=made_up_id_number(
                date(chance.randint(1940, 2007), chance.randint(1, 12), 3), serial=at % 3000
            ),
            phone=None,
            joined_on=date(chance.choice([2024, 2025, 2026]), 1, 5),
        )
        for at in range(count)
    ]
    with transaction():
        register_members(keys=programme.keys, people=people)
    recent = current_day() - timedelta(days=20)
    scored = [one for one in people if chance.random() < 0.8]
    programme.deliver("public_credit", *(
        [f"PC-{at}", "1", "有效", one.id_number, recent.isoformat(),
         *(str(chance.randint(60, 200)) for _ in range(5))]
        for at, one in enumerate(scored)
    ), on=current_day())
    programme.deliver("volunteer_hours", *(
        programme.hours(f"ZY-{at}", str(chance.randint(1, 90)), person=one.id_number,
                        day=recent.isoformat())
        for at, one in enumerate(scored[::2])
    ), on=current_day())


def proposed(app: Flask) -> tuple[Draft, Any]:
    with app.app_context():
        draft = Draft(later_text(changes=CHANGED, effective_on=EFFECTIVE_ON))
        draft.propose()
        draft.tell()
        run = request_dry_run(
            name=draft.name, dry_run_id=new_id(), operator_id=draft.proposer, reason=REASON
        )
        db.session.remove()
    return draft, run


def test_the_after_figures_are_those_of_the_rules_in_force(
    city: Programme, committing_app: Flask
) -> None:
    """The dry run counts what is stored for everybody once its version applies."""
    draft, run = proposed(committing_app)
    comparison = compare(keys=city.keys, run=run)
    assert comparison.before != comparison.after
    start_recomputation(recomputation_id=new_id(), as_of=run.as_of_on)
    finish_running()
    assert stored_outcomes(run.name.code, "2026.1") == recorded(comparison.before)
    carry_out_dry_run(keys=city.keys, dry_run_id=run.dry_run_id)
    with committing_app.app_context():
        draft.confirm(run.dry_run_id)
        db.session.remove()
    start_recomputation(recomputation_id=new_id(), as_of=run.as_of_on)
    finish_running()
    assert stored_outcomes(run.name.code, draft.name.version) == recorded(comparison.after)


def stored_outcomes(code: str, version: str) -> dict[Outcome, int]:
    """How many results of each kind are stored; without records nothing is."""
    with reading() as session:
        rows = session.execute(
            text("""
            SELECT total, coalesce(tier, '-'), count(*) FROM scores
            WHERE scheme_code = :code AND scheme_version = :version GROUP BY 1, 2
            """),
            {"code": code, "version": version},
        ).all()
    return {Outcome(total, tier): count for total, tier, count in rows}


def recorded(counts: dict[Outcome, int]) -> dict[Outcome, int]:
    return {outcome: n for outcome, n in counts.items() if outcome != Outcome(0, NO_TIER)}


def test_of_a_household_every_adult_counts_with_its_score(
    committing_app: Flask, job_app: Flask
) -> None:
    """Who is in no household has no score, and is not counted."""
    with committing_app.app_context():
        publish(LONGYOU)
        head, other, alone, second, third = (villager(committing_app) for _ in range(5))
        settle(date(2026, 1, 5), head, other)
        settle(date(2026, 1, 5), second, third)
        today = current_day()
        deliver(committing_app, *((one, today, "安全用火", "独立烟感") for one in (other, alone)))
        run = of_households(effective_on=today + timedelta(days=NOTICE_DAYS))
        db.session.remove()
    with job_app.app_context():
        found = compare(keys=keys_of(job_app), run=run)
        db.session.remove()
    assert found.before == {Outcome(205, NO_TIER): 2, Outcome(200, NO_TIER): 2}
    assert found.after == {Outcome(208, NO_TIER): 2, Outcome(200, NO_TIER): 2}
    assert {change: n for (grouping, _, change), n in found.changes.items()
            if grouping == "join_year"} == {"gains": 2, "same": 2}  # fmt: skip


def of_households(*, effective_on: date) -> Any:
    """A dry run of a draft by which one item of Longyou's rules is worth more."""
    document, operator_id = read_scheme_file(LONGYOU), new_id()
    for old, new in (
        ("2026.1", "2026.2"), ("2026-01-01", effective_on.isoformat()),
        ('"安全用火" = "5"', '"安全用火" = "8"'),
    ):
        document = document.replace(old, new)
    draft = propose_scheme(
        document=document, assessment_id=make_assessment(), operator_id=operator_id,
        reason=REASON, notice_days=NOTICE_DAYS,
    )
    return request_dry_run(
        name=draft.name, dry_run_id=new_id(), operator_id=operator_id, reason=REASON
    )


def test_a_draft_changes_no_score_tier_or_explanation(
    city: Programme, committing_app: Flask
) -> None:
    def seen() -> list[Any]:
        with reading() as session:
            stored = session.execute(text("SELECT * FROM scores ORDER BY citizen_id")).all()
            some = [row.citizen_id for row in stored[:5]]
        later = date(2099, 1, 1)
        told = [open_score(keys=city.keys, citizen_id=one, as_of=on)
                for one in some for on in (current_day(), later)]
        return [[tuple(row) for row in stored], told]

    before = seen()
    _draft, run = proposed(committing_app)
    carry_out_dry_run(keys=city.keys, dry_run_id=run.dry_run_id)
    assert seen() == before


def test_a_run_is_carried_out_once_with_progress_and_no_small_group(
    city: Programme, committing_app: Flask
) -> None:
    _draft, run = proposed(committing_app)
    assert (run.slices_done, run.figures) == (0, None)
    carry_out_dry_run(keys=city.keys, dry_run_id=run.dry_run_id)
    done = show_dry_run(dry_run_id=run.dry_run_id)
    assert done.figures is not None
    assert done.slices_done == done.slice_count
    carry_out_dry_run(keys=city.keys, dry_run_id=run.dry_run_id)
    assert show_dry_run(dry_run_id=run.dry_run_id) == done
    counts = [int(count) for *_, count in lines(figures_csv(done))[1:] if count != "*"]
    assert [count for count in counts if 0 < count < 10] == []
    assert sum(band["count"] for band in done.figures["after"]) == done.figures["population"]
    assert set(done.figures["changes"]) == {"age_band", "gender", "district", "join_year"}
    with pytest.raises(DryRunUnknown):
        carry_out_dry_run(keys=city.keys, dry_run_id=new_id())


def test_the_worker_carries_it_out(
    city: Programme, committing_app: Flask, job_app: Flask
) -> None:
    _draft, run = proposed(committing_app)
    factory.carry_out_dry_run(Message(run.dry_run_id, new_id(), "scheme_dry_run", {}))
    assert show_dry_run(dry_run_id=run.dry_run_id).ended_at is not None


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_run_whose_worker_died_is_carried_out_by_another(
    city: Programme, committing_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    _draft, run = proposed(committing_app)
    with monkeypatch.context() as patched:
        patched.setattr(Comparison, "protected", killed)
        with pytest.raises(KeyboardInterrupt):
            carry_out_dry_run(keys=city.keys, dry_run_id=run.dry_run_id)
    db.session.remove()
    died = show_dry_run(dry_run_id=run.dry_run_id)
    assert (died.state, died.slices_done, died.figures) == ("running", died.slice_count, None)
    with alone(f"dry run {run.dry_run_id}"):
        resume_dry_runs(keys=city.keys)
    assert show_dry_run(dry_run_id=run.dry_run_id) == died  # another worker is at it
    resume_dry_runs(keys=city.keys)
    assert show_dry_run(dry_run_id=run.dry_run_id).state == "done"


def test_a_run_that_does_not_end_within_a_day_has_failed(
    city: Programme, committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    _draft, run = proposed(committing_app)
    assert run.state == "waiting"
    admin.execute("UPDATE scheme_dry_runs SET created_at = now() - interval '25 hours'")
    resume_dry_runs(keys=city.keys)
    left = show_dry_run(dry_run_id=run.dry_run_id)
    assert (left.state, left.started_at) == ("failed", None)


def lines(document: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(document.removeprefix("\ufeff"))))


def test_the_page_is_whole_in_itself_and_escaped(app: Flask) -> None:
    run = hostile_run(app)
    page = figures_page(run)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page
    assert " style=" not in page
    assert "'unsafe-inline'" not in PAGE_POLICY
    waiting = figures_page(replace(run, figures=None, slices_done=3, slice_count=64))
    assert "试算中 3/64" in waiting


def test_the_csv_holds_no_formula(app: Flask) -> None:
    cells = [cell for line in lines(figures_csv(hostile_run(app))) for cell in line]
    assert any("HYPERLINK" in cell for cell in cells)
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


def hostile_run(app: Flask) -> Any:
    """Figures whose tiers have codes that want to be more."""
    publish_catalogue()
    first = Draft(later_text(effective_on=current_day()))
    first.propose()
    tiers = ["=HYPERLINK(1)", "<script>"]
    table = {
        "rows": tiers, "columns": tiers, "counts": [[50, None], [None, 60]],
        "row_totals": [53, 63], "column_totals": [53, 63],
    }
    band = {"tier": tiers[1], "from_points": 0, "to_points": 49, "count": 116}
    figures = {
        "population": 116, "before": [band], "after": [band], "moves": table,
        "changes": {"gender": table},
    }
    made = finish_dry_run(first.name, figures=figures)
    return show_dry_run(dry_run_id=made)


def test_operators_alone_see_a_run(app: Flask) -> None:
    run, client = hostile_run(app), app.test_client()
    address = f"/api/v1/scheme-dry-runs/{run.dry_run_id}"
    operator = bearer(staff_tokens(app, client)["access_token"])
    for path in ("", "/page", "/figures.csv"):
        assert client.get(address + path).status_code == 401
        assert client.get(address + path, headers=operator).status_code == 200
    page = client.get(f"{address}/page", headers=operator)
    assert page.headers["Content-Security-Policy"] == PAGE_POLICY
    assert VersionName(run.name.code, run.name.version) == run.name
