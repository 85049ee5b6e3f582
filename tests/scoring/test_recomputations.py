"""Stored scores stay right by themselves: at midnight, after missed nights, after a new scheme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, text

from app.kernel.clock import now
from app.kernel.database import reading, transaction, transaction_required
from app.kernel.ids import new_id
from app.members.operations import register_member
from app.records.queries import current_day
from app.scoring import recomputations
from app.scoring.models import ScoreRecomputation
from app.scoring.queries import current_tier, list_scores, scheme_in_force
from app.scoring.recomputations import (
    RecomputationNotFound,
    RecomputationRunning,
    finish_running,
    keep_scores,
    list_recomputations,
    open_recomputation,
    refresh_due,
    refresh_joined,
    run_slice,
    start_recomputation,
)
from app.scoring.refreshing import due_citizens, store_slice, verify
from app.scoring.scheme import read_scheme_file
from demo.load import SCHEME
from tests.members.people import made_up_member
from tests.records.programme import HOURS, Programme, build_programme
from tests.scoring.drafts import activate, later_text

PEOPLE = 6


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app, people=PEOPLE)


def stored() -> dict[UUID, Any]:
    with reading() as session:
        return {row.citizen_id: row for row in session.execute(text("SELECT * FROM scores"))}


def require_right(on: date) -> None:
    """Every stored score is what the records give on a day."""
    scheme = scheme_in_force(on=on)
    assert scheme is not None
    found = stored()
    for score in list_scores(scheme=scheme, as_of=on, citizen_ids=found):
        row = found[score.citizen_id]
        assert (row.total, row.tier) == (score.total, score.tier)
        assert (row.scheme_code, row.scheme_version) == (scheme.code, scheme.version)


def hours_of(programme: Programme, who: int, day: date) -> list[str]:
    return programme.hours(
        f"ZY-{who}-{day}", "8", person=programme.people[who].id_number, day=day.isoformat()
    )


def deliver_ends(programme: Programme, today: date) -> None:
    """Person n has a record that ends n days from now; the last person one that ends far off."""
    days = [today - timedelta(days=365 - who) for who in range(1, PEOPLE)]
    rows = [hours_of(programme, who, day) for who, day in enumerate(days)]
    rows.append(hours_of(programme, PEOPLE - 1, today))
    programme.deliver(HOURS, *rows, on=today)


def test_only_citizens_with_a_boundary_are_computed_at_midnight(programme: Programme) -> None:
    today = current_day()
    deliver_ends(programme, today)
    assert {row.total for row in stored().values()} == {4}
    for after in range(1, PEOPLE):
        night = today + timedelta(days=after)
        with transaction():
            due = due_citizens(as_of=night, limit=100)
        assert due == [programme.citizens[after - 1]]
        assert refresh_due(as_of=night) == 1
        require_right(night)
    assert refresh_due(as_of=today + timedelta(days=PEOPLE)) == 0
    assert stored()[programme.citizens[PEOPLE - 1]].total == 4


def test_missed_nights_are_caught_up(
    programme: Programme, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = current_day()
    deliver_ends(programme, today)
    late = today + timedelta(days=3)
    monkeypatch.setattr(recomputations, "DUE_AT_ONCE", 2)
    assert refresh_due(as_of=late) == 3
    require_right(late)


def test_the_database_finds_due_citizens_by_an_index(programme: Programme) -> None:
    deliver_ends(programme, current_day())
    with reading() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(
            text("EXPLAIN SELECT citizen_id FROM scores WHERE changes_on <= '2027-01-01'"
                 " ORDER BY changes_on LIMIT 100")
        ).scalars()  # fmt: skip
        assert any("ix_scores__changes_on" in line for line in plan)


def stored_and_killed(**slice_: Any) -> int:
    """The worker dies after it has stored a slice, before the commit."""
    store_slice(**slice_)
    raise KeyboardInterrupt


def test_a_killed_recomputation_goes_on_where_it_was(
    programme: Programme, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = current_day()
    deliver_ends(programme, today)
    with transaction() as session:
        session.execute(text("UPDATE scores SET total = 999"))
    recomputation_id = new_id()
    start_recomputation(recomputation_id=recomputation_id, slices=8)
    for done in (1, 2, 3):
        told = run_slice()
        assert told is not None
        assert (told.slices_done, told.done_percent) == (done, 100 * done // 8)
    with monkeypatch.context() as patched:
        patched.setattr(recomputations, "store_slice", stored_and_killed)
        with pytest.raises(KeyboardInterrupt):
            run_slice()
    assert open_recomputation(recomputation_id=recomputation_id).slices_done == 3
    keep_scores()
    told = open_recomputation(recomputation_id=recomputation_id)
    assert (told.slices_done, told.done_percent, told.changed_count) == (8, 100, PEOPLE)
    assert told.finished_at is not None
    require_right(today)


def begin_yesterday(slices: int) -> None:
    """A recomputation was begun yesterday and did not end: killed, or slower than the night."""
    scheme = scheme_in_force(on=current_day())
    assert scheme is not None
    with transaction() as session:
        session.add(ScoreRecomputation(
            recomputation_id=new_id(), scheme_code=scheme.code, scheme_version=scheme.version,
            as_of_on=current_day() - timedelta(days=1), slice_count=slices,
            started_at=now() - timedelta(days=1),
        ))  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_recomputation_that_passes_midnight_loses_nothing_of_the_new_day(
    programme: Programme, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recomputations, "side_by_side", in_one_transaction)
    today = current_day()
    yesterday = today - timedelta(days=1)
    early = [hours_of(programme, who, yesterday) for who in range(PEOPLE)]
    programme.deliver(HOURS, *early, on=yesterday)
    begin_yesterday(slices=4)
    changed = [hours_of(programme, who, today) for who in range(2)]
    changed += [["作废" if cell == "有效" else "2" if cell == "1" else cell for cell in early[2]]]
    programme.deliver(HOURS, *changed, on=today)
    assert finish_running(at_once=at_once) == 0
    assert sorted(row.total for row in stored().values()) == [0, 4, 4, 4, 8, 8]
    require_right(today)


def in_one_transaction(works: Sequence[Callable[[Connection], int]]) -> list[int]:
    """What is side by side elsewhere sees nothing of a test's open transaction."""
    return [work(transaction_required().connection()) for work in works]


def test_a_recomputation_that_passes_midnight_goes_on_with_the_rules_of_the_new_day(
    programme: Programme,
) -> None:
    today = current_day()
    begin_yesterday(slices=4)
    activate(later_text(effective_on=today, changes={"least_total = 550": "least_total = 4"}))
    deliver_ends(programme, today)
    finish_running()
    assert {row.tier for row in stored().values()} == {"A"}
    require_right(today)


def test_a_recomputation_of_a_past_day_stays_with_it(programme: Programme) -> None:
    today = current_day()
    deliver_ends(programme, today)
    start_recomputation(recomputation_id=new_id(), as_of=today - timedelta(days=1))
    finish_running()
    assert {row.total for row in stored().values()} == {0}


def test_only_what_differs_is_written(programme: Programme) -> None:
    deliver_ends(programme, current_day())
    wrong = next(iter(stored()))

    def written() -> dict[UUID, Any]:
        with reading() as session:
            rows = session.execute(text("SELECT citizen_id, ctid::text FROM scores"))
            return {row.citizen_id: row.ctid for row in rows}

    with transaction() as session:
        session.execute(
            text("UPDATE scores SET total = total + 1 WHERE citizen_id = :one"), {"one": wrong}
        )
    before = written()
    start_recomputation(recomputation_id=new_id())
    assert finish_running() == 1
    assert {one for one, place in written().items() if place != before[one]} == {wrong}
    require_right(current_day())


def test_slices_are_cut_by_members_before_there_are_results(
    programme: Programme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recomputations, "MEMBERS_PER_SLICE", 2)
    assert not stored()
    assert len(programme.people) == 6
    started = start_recomputation(recomputation_id=new_id())
    assert started is not None
    assert started.slice_count == 4


def test_one_runs_at_a_time_and_an_id_starts_one_only(programme: Programme) -> None:
    assert programme.citizens
    first = new_id()
    made = start_recomputation(recomputation_id=first)
    assert start_recomputation(recomputation_id=first) == made
    with pytest.raises(RecomputationRunning):
        start_recomputation(recomputation_id=new_id())
    finish_running()
    assert run_slice() is None
    start_recomputation(recomputation_id=new_id())
    with pytest.raises(RecomputationNotFound):
        open_recomputation(recomputation_id=new_id())


def test_a_scheme_that_becomes_effective_changes_everybody_once(programme: Programme) -> None:
    today = current_day()
    deliver_ends(programme, today)
    keep_scores()
    keep_scores()
    assert len(list_recomputations()) == 1
    document = (
        read_scheme_file(SCHEME)
        .replace('version = "2026.1"', 'version = "2026.2"')
        .replace("effective_on = 2026-01-01", f"effective_on = {today.isoformat()}")
        .replace("least_total = 550", "least_total = 4")
    )
    activate(document)
    keep_scores()
    assert [one.scheme_version for one in list_recomputations()] == ["2026.2", "2026.1"]
    assert {row.tier for row in stored().values()} == {"A"}
    require_right(today)
    yesterday = scheme_in_force(on=today - timedelta(days=1))
    assert yesterday is not None
    assert yesterday.version == "2026.1"


def test_a_stored_score_that_is_not_what_the_records_give_is_found(programme: Programme) -> None:
    today, first = current_day(), UUID(int=0)
    deliver_ends(programme, today)
    finish_running()
    assert verify(as_of=today, first=first) == []
    wrong = min(stored())
    with transaction() as session:
        session.execute(
            text("UPDATE scores SET total = total + 1 WHERE citizen_id = :one"), {"one": wrong}
        )
    assert [(one.citizen_id, one.stored_total, one.total)
            for one in verify(as_of=today, first=first)] == [(wrong, 5, 4)]  # fmt: skip


def test_who_joins_gets_what_the_scheme_gives_to_everybody(programme: Programme) -> None:
    today = current_day()
    start = ('[[indicator]]\ncode = "100"\ndimension = "1"\nname = "起始分"\nrule = "base"\n'
             'value = "400"\ncap = 400\n\n[[indicator]]\ncode = "101"')  # fmt: skip
    changes = {'[[indicator]]\ncode = "101"': start, "least_total = 550": "least_total = 400"}
    activate(later_text(effective_on=today, changes=changes))
    keep_scores()
    assert {row.total for row in stored().values()} == {400}
    with transaction():
        joined = register_member(
            keys=programme.keys, name="新来", id_number=made_up_member().id_number, phone=None,
            joined_on=today,
        )
    assert joined not in stored()
    keep_scores()
    assert (stored()[joined].total, current_tier(joined)) == (400, "A")
    assert refresh_joined(as_of=today) == 0


def test_where_a_scheme_gives_nothing_to_everybody_nothing_is_stored(
    programme: Programme,
) -> None:
    assert programme.citizens
    keep_scores()
    assert refresh_joined(as_of=current_day()) == 0
    assert not stored()
