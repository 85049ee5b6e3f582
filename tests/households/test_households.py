"""Forming, joining and leaving households over HTTP; villages."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, text

from app.households import operations
from app.households.invitations import INVITATION_LIFE, OPEN_INVITATIONS_MAX
from app.households.models import HouseholdInvitation
from app.households.operations import ADULTS_MAX
from app.households.refusals import VillageTaken
from app.kernel.database import reading, transaction
from app.members import operations as members
from app.members.queries import consent_state
from tests.households.town import TEXT, Villager, live_together, villager


@pytest.fixture
def people(app: Flask) -> tuple[Villager, Villager, Villager]:
    return villager(app), villager(app), villager(app)


def counting() -> dict[UUID, UUID]:
    """Every adult who counts today, and for whose household."""
    query = text("SELECT adult_id, citizen_id FROM household_adults(ledger_city_date(now()))")
    with reading() as session:
        return {row.adult_id: row.citizen_id for row in session.execute(query)}


def set_status(who: Villager, status: str) -> None:
    with transaction() as session:
        session.execute(
            text("UPDATE citizens SET status = :status WHERE citizen_id = :id"),
            {"status": status, "id": who.citizen_id},
        )


def new_text() -> None:
    members.publish_text(
        purpose="household", receiver="市民诚信卡平台", required=False, sensitive=False,
        title="家庭积分", body="新的条款",
    )


def test_adults_join_with_consents_of_their_own(
    people: tuple[Villager, Villager, Villager],
) -> None:
    head, other, _ = people
    live_together(head, other)
    shown = other.get("/me/household")
    assert shown["is_head"] is False
    assert [(one["is_head"], one["is_me"]) for one in shown["adults"]] == [
        (True, False), (False, True),
    ]
    assert head.name not in str(shown)
    assert head.id_number not in str(shown)
    assert counting() == {one.citizen_id: head.citizen_id for one in (head, other)}
    for one in (head, other):
        consents = {c["purpose"]: c for c in one.get("/me")["consents"]}
        assert (consents["household"]["decision"], consents["household"]["channel"]) == (
            "given", "wechat",
        )


def test_before_the_consent_only_the_head_is_told_masked(
    people: tuple[Villager, Villager, Villager],
) -> None:
    head, other, _ = people
    head.do("POST", "/me/household", TEXT)
    head.do("PUT", "/me/village", {"village_code": village("330702001201")})
    told = other.do("POST", "/me/household/invitation", {"code": head.invite()})
    assert told == {
        "head_name": f"{head.name[0]}**",
        "village": {"village_code": "330702001201", "name": "上河村"},
    }
    assert other.refusal("GET", "/me/household") == "household_missing"


def village(code: str) -> str:
    operations.add_village(village_code=code, name="上河村")
    return code


def test_an_invitation_is_good_once(people: tuple[Villager, Villager, Villager]) -> None:
    head, other, third = people
    head.do("POST", "/me/household", TEXT)
    code = head.invite()
    body = {"code": code, **TEXT}
    first = other.do("POST", "/me/household/join", body)
    assert other.do("POST", "/me/household/join", body) == first  # sent again
    assert third.refusal("POST", "/me/household/join", body) == "household_invitation_dead"
    for wrong in ("x", "不", code[:-2] + "AA", "A" * 43, code + "="):
        answer = third.refusal("POST", "/me/household/join", {"code": wrong, **TEXT})
        assert answer == "household_invitation_dead"


def a_week_later() -> None:
    """The role of the web may write and delete invitations, and change none."""
    with transaction() as session:
        kept = session.execute(text("DELETE FROM household_invitations RETURNING *")).mappings()
        again = [dict(one) | {"expires_at": one["expires_at"] - INVITATION_LIFE} for one in kept]
        session.execute(insert(HouseholdInvitation), again)


def test_an_invitation_ends_after_a_week_and_with_its_household(
    people: tuple[Villager, Villager, Villager],
) -> None:
    head, other, _ = people
    head.do("POST", "/me/household", TEXT)
    code = {"code": head.invite()}
    a_week_later()
    assert other.refusal("POST", "/me/household/invitation", code) == "household_invitation_dead"
    code = {"code": head.invite()}
    head.do("POST", "/me/household/leave", status=204)
    head.do("POST", "/me/household", TEXT)
    assert other.refusal("POST", "/me/household/join", code | TEXT) == "household_invitation_dead"


def test_one_household_at_a_time(people: tuple[Villager, Villager, Villager]) -> None:
    head, other, third = people
    live_together(head, other)
    third.do("POST", "/me/household", TEXT)
    code = third.invite()
    assert other.refusal("POST", "/me/household", TEXT) == "household_taken"
    for one in (other, head):
        body = {"code": code, **TEXT}
        assert one.refusal("POST", "/me/household/join", body) == "household_taken"
    other.do("POST", "/me/household/leave", status=204)
    other.do("POST", "/me/household/join", {"code": code, **TEXT})
    assert counting()[other.citizen_id] == third.citizen_id
    assert head.do("POST", "/me/household", TEXT)["is_head"] is True  # stays as it is


def test_only_the_head_invites(people: tuple[Villager, Villager, Villager]) -> None:
    head, other, third = people
    live_together(head, other)
    path = "/me/household/invitations"
    assert other.refusal("POST", path) == "household_head_needed"
    assert third.refusal("POST", path) == "household_missing"
    for _ in range(OPEN_INVITATIONS_MAX):
        operations.invite_adult(citizen_id=head.citizen_id)
    assert head.refusal("POST", path) == "household_full"


def test_a_household_has_a_bound(app: Flask, people: tuple[Villager, Villager, Villager]) -> None:
    head, *_ = people
    live_together(head, *(villager(app) for _ in range(ADULTS_MAX - 1)))
    body = {"code": head.invite(), **TEXT}
    assert villager(app).refusal("POST", "/me/household/join", body) == "household_full"


def test_an_adult_leaves_at_once_and_the_consent_goes_too(
    people: tuple[Villager, Villager, Villager],
) -> None:
    head, other, _ = people
    live_together(head, other)
    other.do("POST", "/me/household/leave", status=204)
    other.do("POST", "/me/household/leave", status=204)  # sent again
    assert counting() == {head.citizen_id: head.citizen_id}
    assert len(head.get("/me/household")["adults"]) == 1
    assert consent_state(citizen_id=other.citizen_id, purpose="household") == "withdrawn"


def test_when_the_head_leaves_the_household_is_over(
    people: tuple[Villager, Villager, Villager],
) -> None:
    head, other, third = people
    live_together(head, other, third)
    head.do("POST", "/me/household/leave", status=204)
    assert counting() == {}
    assert other.refusal("GET", "/me/household") == "household_missing"
    live_together(other, third)
    assert counting() == {one.citizen_id: other.citizen_id for one in (other, third)}


def test_who_leaves_the_programme_counts_nowhere(
    people: tuple[Villager, Villager, Villager],
) -> None:
    head, other, third = people
    live_together(head, other, third)
    set_status(other, "left")
    assert counting() == {one.citizen_id: head.citizen_id for one in (head, third)}
    set_status(head, "left")
    assert counting() == {}
    # A head who is not there any more holds nobody.
    third.do("POST", "/me/household", TEXT)
    assert counting() == {third.citizen_id: third.citizen_id}


def test_nothing_stays_of_who_is_erased(people: tuple[Villager, Villager, Villager]) -> None:
    head, other, _ = people
    live_together(head, other)
    head.invite()
    head.do("PUT", "/me/village", {"village_code": village("330702001202")})
    with transaction():
        operations.forget_citizen(citizen_id=head.citizen_id)
    with reading() as session:
        for table in ("household_seats", "household_invitations", "village_residents"):
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


def test_a_newer_text_is_agreed_to_again(people: tuple[Villager, Villager, Villager]) -> None:
    head, other, third = people
    live_together(head, other)
    code = head.invite()
    new_text()
    assert counting() == {}
    assert other.get("/me/household")["consent_state"] == "stale"
    answer = third.ask("POST", "/me/household/join", {"code": code, **TEXT})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "consent_stale")
    assert answer.get_json()["current"] == {"household": 2}
    renewed = {"text_version": 2}
    assert third.refusal("PUT", "/me/household/consent", renewed) == "household_missing"
    other.do("PUT", "/me/household/consent", renewed)
    assert counting() == {}  # without its head there is no household
    head.do("PUT", "/me/household/consent", renewed)
    assert len(counting()) == 2
    third.do("POST", "/me/household/join", {"code": code, **renewed})  # it was not used up


def test_villages_are_chosen_and_left(people: tuple[Villager, Villager, Villager]) -> None:
    one, *_ = people
    for code in ("330702001204", "330702001203"):
        village(code)
    listed = one.get("/villages?after=330702001202&limit=1")["villages"]
    assert [place["village_code"] for place in listed] == ["330702001203"]
    assert one.refusal("PUT", "/me/village", {"village_code": "330702001299"}) == "village_unknown"
    for code in ("330702001203", "330702001204"):
        one.do("PUT", "/me/village", {"village_code": code})
        assert one.get("/me/village")["village"]["village_code"] == code
    one.do("PUT", "/me/village", {"village_code": None})
    assert one.get("/me/village") == {"village": None}
    with pytest.raises(VillageTaken):
        operations.add_village(village_code="330702001203", name="下河村")
