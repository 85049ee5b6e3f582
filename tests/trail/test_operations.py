"""The trail: written inside the act's transaction, with a reason in words."""

import pytest
from flask import Flask
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.kernel.database import TransactionError, transaction
from app.kernel.ids import new_id, random_id
from app.trail.operations import (
    SYSTEM,
    Actor,
    ReasonNamesPerson,
    ReasonNeeded,
    record_access,
    record_accesses,
    require_reason,
)
from app.trail.queries import list_trail


def test_a_line_needs_the_transaction_of_its_act(app: Flask) -> None:
    with pytest.raises(TransactionError):
        record_access(citizen_id=random_id(), actor=SYSTEM, action="read")


def test_a_line_tells_who_what_and_why(app: Flask) -> None:
    citizen_id, operator = random_id(), Actor("operator", new_id())
    with transaction():
        trail_id = record_access(
            citizen_id=citizen_id, actor=operator, action="profile_opened", fields=["name"],
            reason="本人到窗口", basis="consent",
        )
    (line,) = list_trail(citizen_id=citizen_id, limit=10)
    assert (line.trail_id, line.actor_kind, line.actor_id) == (trail_id, "operator", operator.id)
    assert (line.action, line.fields, line.reason) == ("profile_opened", ("name",), "本人到窗口")


def test_many_citizens_get_a_line_each(app: Flask) -> None:
    citizens = [random_id() for _ in range(300)]
    with transaction():
        record_accesses(citizen_ids=citizens, actor=SYSTEM, action="registered")
        record_accesses(citizen_ids=[], actor=SYSTEM, action="registered")
    assert all(len(list_trail(citizen_id=c, limit=10)) == 1 for c in citizens[:5])


def test_d5_an_act_that_fails_leaves_no_line(app: Flask) -> None:
    citizen_id = random_id()

    def fail() -> None:
        with transaction():
            record_access(citizen_id=citizen_id, actor=SYSTEM, action="read")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list_trail(citizen_id=citizen_id, limit=10) == []


@pytest.mark.parametrize(
    ("actor", "action"),
    [
        (Actor("nobody", new_id()), "read"), (Actor("operator", None), "read"),
        (Actor("system", new_id()), "read"), (SYSTEM, "Read It"),
    ],
)
def test_the_database_refuses_a_line_that_says_nothing(
    app: Flask, actor: Actor, action: str
) -> None:
    with pytest.raises((IntegrityError, DBAPIError)), transaction():
        record_access(citizen_id=random_id(), actor=actor, action=action)


@pytest.mark.parametrize("reason", ["本人到窗口核对", "窗口 12，2026-11-20 申请", "字" * 500])
def test_good_reasons_pass(reason: str) -> None:
    assert require_reason(f"  {reason} ") == reason


@pytest.mark.parametrize("reason", ["", "四个字。", "字" * 501])
def test_a_reason_has_a_length(reason: str) -> None:
    with pytest.raises(ReasonNeeded):
        require_reason(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "核对 330702198503120412", "核对３３０７０２１９８５０３１２０４１２",
        "电话 138-1234-5678 的本人", "号码 330702 19850312 041X",
        "令牌 eyJhbGciOiJIUzI1NiJ9.eyJzdWIi", "微信 oX9_wechatOpenidOfSomebody1", "码 IC1P:W50",
        "码 HGQK-MRYT-E7DP",
    ],
)
def test_a_reason_holds_no_number_of_a_person(reason: str) -> None:
    with pytest.raises(ReasonNamesPerson):
        require_reason(reason)
