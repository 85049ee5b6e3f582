"""Races of operators and owners; without the keys that decide them each goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from flask import Flask

from app.web.auth import Role
from tests.merchants.applying import Applicant
from tests.merchants.test_employment import accept
from tests.races.threads import at_once, meeting_before_writes
from tests.redemptions.builders import staff_headers

ROUNDS = 4


@contextmanager
def without_key(admin: psycopg.Connection[Any], table: str, column: str) -> Iterator[None]:
    """The negative control: the table without its primary key, emptied before it comes back."""
    admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}")
    try:
        with meeting_before_writes(admin, table, 2):
            yield
    finally:
        admin.execute(f"TRUNCATE {table}")
        admin.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({column})")


def decided_at_once(app: Flask) -> list[list[int]]:
    """One operator confirms while another refuses, round after round: what each was told."""
    first, second = (staff_headers(app, Role.OPERATOR) for _ in range(2))
    told = []
    for _ in range(ROUNDS):
        applicant = Applicant(app.test_client())
        applicant.apply()
        applicant.decide("proposal", first)

        def decide(act: str, operator: Any, application_id: str) -> int:
            other = Applicant(app.test_client())
            other.application_id = application_id
            return other.decide(act, operator).status_code

        calls = (("confirmation", second), ("refusal", first))
        told.append(sorted(at_once([
            partial(decide, act, operator, applicant.application_id) for act, operator in calls
        ])))
    return told


def test_an_application_is_decided_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    once = [[200, 409]] * ROUNDS
    assert decided_at_once(committing_app) == once
    with without_key(admin, "merchant_application_decisions", "application_id"):
        # Both stand, or the second is found out only when it reads what came of it.
        assert decided_at_once(committing_app) != once


def opened_at_once(app: Flask, serial: str) -> list[int]:
    """Two codes of one application used at once, round after round: how many accounts each."""
    operators = [staff_headers(app, Role.OPERATOR) for _ in range(2)]
    done = []
    for number in range(ROUNDS):
        applicant = Applicant(app.test_client())
        applicant.approved_by(*operators)
        codes = [applicant.owner_code() for _ in range(2)]
        answers = at_once([
            partial(accept, app.test_client(), code, f"owner-{serial}-{number}-{place}")
            for place, code in enumerate(codes)
        ])
        done.append([one.status_code for one in answers].count(201))
    return done


def test_an_owner_invited_twice_gets_one_account(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    assert opened_at_once(committing_app, "a") == [1] * ROUNDS
    with without_key(admin, "merchant_invitation_uses", "invitation_id"):
        assert 2 in opened_at_once(committing_app, "b")
