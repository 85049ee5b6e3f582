"""Burnt codes and bad scans go when their time is over, and not before."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.redemptions.pruning import prune_refusals, prune_scans
from tests.redemptions.builders import make_citizen, make_clerk, publish_library


@pytest.mark.parametrize(("hours", "left"), [(71, 1), (73, 0)])
def test_burnt_codes_are_kept_for_three_days(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], hours: int, left: int
) -> None:
    client = committing_app.test_client()
    code = publish_library(committing_app)
    clerk, citizen = make_clerk(committing_app, takes=(code,)), make_citizen(committing_app)
    clerk.preview(client, code=citizen.pass_code(client))
    admin.execute(
        "UPDATE code_presentations SET presented_at = now() - make_interval(hours => %s)", (hours,)
    )
    with job_app.app_context():
        prune_scans()
    assert admin.execute("SELECT count(*) FROM code_presentations").fetchone() == (left,)


def test_bad_scans_are_kept_for_half_a_year(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    for days in (183, 185):
        admin.execute(
            "INSERT INTO unreadable_scans VALUES (%s, %s, %s, %s, 'code_unreadable', '\\x00',"
            " now() - make_interval(days => %s))",
            (new_id(), new_id(), new_id(), new_id(), days),
        )
    with job_app.app_context():
        prune_scans()
    assert admin.execute("SELECT count(*) FROM unreadable_scans").fetchone() == (1,)


def test_typed_codes_are_kept_as_long_as_their_answers(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client = committing_app.test_client()
    library = publish_library(committing_app)
    clerk, citizen = make_clerk(committing_app, takes=(library,)), make_citizen(committing_app)
    typed, redemption_id = citizen.manual_code(client, citizen.claimed(client, library)), new_id()
    first = clerk.redeem(client, redemption_id, manual_code=typed)
    for days, left in ((183, 1), (185, 0)):
        admin.execute(
            "UPDATE voucher_manual_codes SET expires_at = now() - make_interval(days => %s)",
            (days,),
        )
        with job_app.app_context():
            prune_scans()
        assert admin.execute("SELECT count(*) FROM voucher_manual_codes").fetchone() == (left,)
        if left:
            again = clerk.redeem(client, redemption_id, manual_code=typed)
            assert (again.status_code, again.data) == (200, first.data)


def test_refused_redemptions_go_and_accepted_ones_stay(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client = committing_app.test_client()
    library = publish_library(committing_app)
    clerk, citizen = make_clerk(committing_app, takes=(library,)), make_citizen(committing_app)
    citizen.claimed(client, library)
    code = citizen.pass_code(client)
    ids = [new_id() for _ in range(4)]
    answers = [clerk.redeem(client, redemption_id=one, code=code) for one in ids]
    assert [answer.status_code for answer in answers] == [200, 409, 409, 409]
    for one, days in zip(ids, (400, 185, 186, 183), strict=True):
        admin.execute(
            "UPDATE redemption_attempts SET attempted_at = now() - make_interval(days => %s)"
            " WHERE redemption_id = %s", (days, one),
        )
    with job_app.app_context():
        assert [prune_refusals(limit=1) for _ in range(3)] == [1, 1, 0]
    left = admin.execute("SELECT redemption_id FROM redemption_attempts").fetchall()
    assert {row[0] for row in left} == {ids[0], ids[3]}
    again = clerk.redeem(client, redemption_id=ids[0], code=code)
    assert (again.status_code, again.data) == (200, answers[0].data)
