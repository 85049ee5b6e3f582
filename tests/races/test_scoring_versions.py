"""One version has one decision: however many operators confirm or withdraw it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.kernel.database import db
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.scoring import versions
from app.scoring.operations import publish_scheme
from app.scoring.versions import show_version, withdraw_scheme
from demo.load import publish_catalogue
from tests.races.threads import at_once, meeting
from tests.scoring.drafts import REASON, TEXT, Draft, finish_dry_run, later_text

Admin = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def draft(committing_app: Flask) -> Iterator[Draft]:
    """A proposal that only waits for its confirmation."""
    with committing_app.app_context():
        publish_catalogue()
        publish_scheme(document=TEXT)
        made = Draft(later_text())
        made.propose()
        made.tell()
        db.session.remove()
        yield made


def within(app: Flask, act: Callable[[], Any]) -> str:
    with app.app_context():
        try:
            act()
        except DomainError as error:
            return error.code
        except IntegrityError as error:
            return type(error).__name__
        else:
            return "done"
        finally:
            db.session.remove()


def confirmers(app: Flask, draft: Draft, count: int) -> list[Callable[[], str]]:
    dry_run_id = finish_dry_run(draft.name)
    db.session.remove()
    return [
        partial(within, app, partial(draft.confirm, dry_run_id, by=new_id()))
        for _ in range(count)
    ]


def withdrawer(app: Flask, draft: Draft) -> Callable[[], str]:
    return partial(within, app, partial(
        withdraw_scheme, name=draft.name, operator_id=draft.proposer, reason=REASON
    ))


def decisions(admin: Admin, draft: Draft) -> list[object]:
    rows = admin.execute(
        "SELECT decision FROM scheme_decisions WHERE version = %s", (draft.name.version,)
    ).fetchall()
    return [row[0] for row in rows]


def acts(admin: Admin) -> list[object]:
    rows = admin.execute(
        "SELECT action FROM trail_acts WHERE action IN ('scheme_confirmed', 'scheme_withdrawn')"
    ).fetchall()
    return [row[0] for row in rows]


def test_two_confirmers_at_once(committing_app: Flask, draft: Draft, admin: Admin) -> None:
    answers = at_once(confirmers(committing_app, draft, 4))
    assert sorted(answers) == ["done", *["scheme_decided"] * 3]
    assert decisions(admin, draft) == ["activated"]
    assert acts(admin) == ["scheme_confirmed"]


def test_confirming_against_withdrawing(
    committing_app: Flask, draft: Draft, admin: Admin
) -> None:
    racers = [*confirmers(committing_app, draft, 2), withdrawer(committing_app, draft)]
    assert sorted(at_once(racers)) == ["done", "scheme_decided", "scheme_decided"]
    assert len(decisions(admin, draft)) == len(acts(admin)) == 1
    state = show_version(name=draft.name).state
    assert state == {"activated": "announced", "withdrawn": "withdrawn"}[
        str(decisions(admin, draft)[0])
    ]


@contextmanager
def without_the_lock(
    monkeypatch: pytest.MonkeyPatch, admin: Admin, racers: int
) -> Iterator[None]:
    """Everybody looks before anybody has decided."""
    monkeypatch.setattr(versions, "ONE_DECISION_AT_A_TIME", text("SELECT 1"))
    original = versions.require_open

    def meet(name: Any) -> Any:
        found = original(name)
        db.session.execute(text(f"SELECT race_meet({racers})"))
        return found

    monkeypatch.setattr(versions, "require_open", meet)
    with meeting(admin):
        yield


def test_without_the_lock_the_key_still_lets_one_win(
    committing_app: Flask, draft: Draft, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control: the lock is manners, the primary key is the law."""
    racers = confirmers(committing_app, draft, 3)
    with without_the_lock(monkeypatch, admin, len(racers)):
        answers = at_once(racers)
    assert answers.count("done") == 1
    # Who looks for its dry run after the winner finds other rules in force.
    assert set(answers) <= {"IntegrityError", "dry_run_missing", "done"}
    assert decisions(admin, draft) == ["activated"]


def test_without_lock_and_key_a_version_is_confirmed_and_withdrawn(
    committing_app: Flask, draft: Draft, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    racers = [*confirmers(committing_app, draft, 1), withdrawer(committing_app, draft)]
    admin.execute("ALTER TABLE scheme_decisions DROP CONSTRAINT pk_scheme_decisions")
    try:
        with without_the_lock(monkeypatch, admin, len(racers)):
            assert at_once(racers) == ["done", "done"]
        assert sorted(map(str, decisions(admin, draft))) == ["activated", "withdrawn"]
    finally:
        admin.execute(
            "DELETE FROM scheme_decisions; ALTER TABLE scheme_decisions"
            " ADD CONSTRAINT pk_scheme_decisions PRIMARY KEY (scheme_code, version)"
        )
