"""Files for fare engines: what they hold, what has changed, and who may read them."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any

import orjson
import psycopg
import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError

from app.kernel.clock import city_date, now
from app.kernel.detached import sign_detached
from app.kernel.ids import new_id
from app.trail import assessments
from app.trail.queries import list_shares
from app.transit import files
from app.transit.commands import transit_commands
from app.transit.operators import Terms, agree_terms
from app.transit.refusals import TransitTermsTooLate
from demo.signatures import verify_detached
from tests.redemptions.builders import API, Citizen, keys_of, make_merchant, set_tier
from tests.service_orders.shop import done, refusal
from tests.trail.full import trail_full
from tests.transit.town import (
    Company,
    make_company,
    make_rider,
    publish_fares,
    stranger_source,
    withdraw,
)

ENTRY = {"account_id", "price_percent", "valid_from", "valid_until"}


@pytest.fixture
def company(app: Flask) -> Company:
    return make_company(app)


def read(company: Company, kind: str, sequence: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head of the last part, and the lines of all parts; the signature of each is good."""
    listed = done(company.get("/transit/files?limit=100"))["files"]
    parts = [one for one in listed if (one["kind"], one["sequence"]) == (kind, sequence)]
    lines, head = [], {}
    for one in parts:
        content = company.get(f"/transit/files/{one['file_id']}.jsonl").data
        signature = company.get(f"/transit/files/{one['file_id']}.jws").text
        key_set = done(company.client.get("/.well-known/jwks.json"))
        verify_detached(content, signature, key_set)
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        head, *entries = [orjson.loads(line) for line in content.splitlines()]
        assert (head["part"], head["line_count"]) == (one["part"], len(entries))
        lines += entries
    assert head["is_last"]
    return head, lines


def test_a_file_holds_accounts_and_shares_alone(app: Flask, company: Company) -> None:
    """R23: no name, number, score or tier; who rides at everybody's fare is in no full file."""
    accounts = {
        str(company.account_of(make_rider(app, tier))): percent
        for tier, percent in (("AA", 80), ("AAA", 50), ("A", 100), (None, 100))
    }
    with app.app_context():
        assert files.make_due_files() == 1
        assert files.make_due_files() == 0
    head, lines = read(company, "full", 1)
    assert head["format"] == files.FORMAT
    assert date.fromisoformat(head["made_on"]) == city_date(now())
    assert all(set(line) == ENTRY for line in lines)
    told = {line["account_id"]: line["price_percent"] for line in lines}
    assert told == {one: percent for one, percent in accounts.items() if percent < 100}
    assert read(company, "changes", 1)[1] == sorted(lines, key=lambda one: one["account_id"])


def filed_lines(company: Company, rider: Citizen) -> list[tuple[str, str, str]]:
    """Who told of the rider's fare in files, on what basis; the newest first."""
    answer = done(company.client.get(f"{API}/me/trail", headers=rider.headers))
    return [
        (one["actor_kind"], one["basis"], one["told"])
        for one in answer["lines"] if one["action"] == "transit_filed"
    ]


def test_r18_r19_whoever_rides_for_something_else_than_filed_before_has_a_line(
    app: Flask, company: Company
) -> None:
    rider, ordinary = make_rider(app), make_rider(app, "A")
    for one in (rider, ordinary):
        company.account_of(one)
    with app.app_context():
        files.make_files(merchant_id=company.merchant_id)
        files.make_files(merchant_id=company.merchant_id)  # nothing new is told
    ((kind, basis, told),) = filed_lines(company, rider)
    assert (kind, basis) == ("source", "transit v1, transit_location v1")
    assert "票务系统" in told
    assert told.count("（第1版）") == 2
    assert filed_lines(company, ordinary) == []  # in no file, hence told nothing
    with app.app_context():
        shares = list_shares(citizen_id=rider.citizen_id, since=now() - timedelta(days=1))
    assert [(one.action, one.actor_id) for one in shares] == [
        ("transit_filed", company.source_id)
    ]  # by which an end of a record is told to the operator
    withdraw(app, rider)
    with app.app_context():
        files.make_files(merchant_id=company.merchant_id)
    assert [basis for _, basis, _ in filed_lines(company, rider)] == [
        "membership v1", "transit v1, transit_location v1"
    ]


def test_d5_no_line_no_file(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    company = make_company(committing_app)
    company.account_of(make_rider(committing_app))
    with job_app.app_context(), trail_full(admin), pytest.raises(IntegrityError):
        files.make_files(merchant_id=company.merchant_id)
    assert done(company.get("/transit/files?limit=10"))["files"] == []
    with job_app.app_context():
        assert files.make_files(merchant_id=company.merchant_id) == 1


def test_changes_lead_from_one_full_file_to_the_next(app: Flask, company: Company) -> None:
    riders = [make_rider(app) for _ in range(4)]
    stays, rises, leaves, falls = (str(company.account_of(one)) for one in riders)
    with app.app_context():
        assert files.make_files(merchant_id=company.merchant_id) == 1
        comes = str(company.account_of(make_rider(app)))
        set_tier(app, riders[1].citizen_id, "AAA")
        withdraw(app, riders[2])
        set_tier(app, riders[3].citizen_id, "A")
        assert files.make_files(merchant_id=company.merchant_id) == 2
    _, changes = read(company, "changes", 2)
    percents = {one["account_id"]: one["price_percent"] for one in changes}
    assert percents == {rises: 50, leaves: 100, falls: 100, comes: 80}
    known = {one["account_id"]: one for one in read(company, "full", 1)[1]}
    known |= {one["account_id"]: one for one in changes}
    assert {one for one in known if known[one]["price_percent"] < 100} == {stays, rises, comes}
    full = {one["account_id"]: one for one in read(company, "full", 2)[1]}
    assert full == {one: known[one] for one in full}


def test_large_files_come_in_parts(
    app: Flask, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PART_LINES_MAX", 2)
    monkeypatch.setattr(files, "REFRESHED_AT_ONCE", 2)
    accounts = {str(company.account_of(make_rider(app))) for _ in range(5)}
    with app.app_context():
        files.make_files(merchant_id=company.merchant_id)
    head, lines = read(company, "full", 1)
    assert head["part"] == 3
    assert {line["account_id"] for line in lines} == accounts


def test_files_are_for_their_operator_alone(app: Flask, company: Company) -> None:
    with app.app_context():
        files.make_files(merchant_id=company.merchant_id)
    mine = done(company.get("/transit/files"))["files"]
    other = make_company(app)
    assert done(other.get("/transit/files"))["files"] == []
    for kind in ("jsonl", "jws"):
        for file_id in (mine[0]["file_id"], new_id()):
            answer = other.get(f"/transit/files/{file_id}.{kind}")
            assert refusal(answer) == "transit_file_unknown"
    headers = stranger_source(app)
    assert refusal(company.client.get(f"{API}/transit/files", headers=headers)) == (
        "not_transit_operator"
    )


def test_old_files_go_and_the_sequence_goes_on(
    app: Flask, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        for _ in range(2):
            files.make_files(merchant_id=company.merchant_id)
        assert files.prune_files() == 0
        monkeypatch.setattr(files, "FILES_KEPT", timedelta())
        assert files.prune_files() == 2
        assert files.make_files(merchant_id=company.merchant_id) == 3


def test_another_bytes_signature_does_not_fit(app: Flask, company: Company) -> None:
    signature = sign_detached(keys=keys_of(app), payload=b"one")
    key_set = done(company.client.get("/.well-known/jwks.json"))
    with pytest.raises(ValueError, match="signature"):
        verify_detached(b"two", signature, key_set)


def test_r21_operators_and_terms_by_command(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant_id, code = make_merchant(app), publish_fares(app)
    runner = app.test_cli_runner()
    terms = ["--trips", "4", "--fen", "300", "--complete-within", "5"]
    made = runner.invoke(transit_commands, ["add-operator", str(merchant_id), code, *terms])
    assert made.exit_code == 0, made.output
    assert {line.split()[0] for line in made.output.splitlines()} == {
        "source_id", "credential_id", "secret"
    }
    again = runner.invoke(transit_commands, ["add-operator", str(merchant_id), code, *terms])
    assert "transit_operator_exists" in again.output
    strange = runner.invoke(
        transit_commands, ["add-operator", str(make_merchant(app)), "library", *terms]
    )
    assert "transit_benefit_unfit" in strange.output
    monkeypatch.setattr(assessments, "list_confirmed_assessments", list)  # all are over
    late = runner.invoke(
        transit_commands, ["add-operator", str(make_merchant(app)), code, *terms]
    )
    assert "(assessment_missing); kind: sharing; what: transit" in late.output
    today = city_date(now())
    for day, exit_code in ((today, 1), (today + timedelta(days=1), 0)):
        told = runner.invoke(
            transit_commands, ["agree-terms", str(merchant_id), day.isoformat(), *terms]
        )
        assert told.exit_code == exit_code, told.output
    with pytest.raises(TransitTermsTooLate):
        agree_terms(
            merchant_id=merchant_id, valid_from=today + timedelta(days=1), terms=Terms(1, 1, 1)
        )


def test_the_worker_has_the_rights_that_files_need(
    committing_app: Flask, job_app: Flask
) -> None:
    company = make_company(committing_app)
    company.account_of(make_rider(committing_app))
    with job_app.app_context():
        assert files.make_due_files() == 1
        assert files.prune_files() == 0
