"""R28: everybody who takes part may say something while rules are proposed, and it is read."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading
from app.kernel.ids import new_id
from app.scoring.operations import publish_scheme
from app.scoring.versions import withdraw_scheme
from demo.load import publish_catalogue
from tests.households.town import Villager, villager
from tests.members.api import bearer, staff_tokens
from tests.scoring.drafts import REASON, TEXT, Draft, finish_dry_run, later_text

WORDS = "希望社区服务也能换积分，并说明调整理由。"
API = "/api/v1"


@pytest.fixture
def draft(app: Flask) -> Draft:
    """A proposal that nobody is told of yet."""
    publish_catalogue()
    publish_scheme(document=TEXT)
    made = Draft(later_text())
    made.propose()
    return made


@pytest.fixture
def citizen(app: Flask, draft: Draft) -> Villager:
    assert draft
    return villager(app)


def place(draft: Draft, of: str = "schemes") -> str:
    return f"/{of}/{draft.name.code}/{draft.name.version}"


def said(words: str = WORDS) -> dict[str, Any]:
    return {"comment_id": str(new_id()), "comment": words}


def test_r28_a_citizen_comments_and_who_decides_reads_it(
    app: Flask, client: FlaskClient, draft: Draft, citizen: Villager
) -> None:
    draft.tell()
    first, second = said(), said("分值太高，普通人很难做到。")
    made = citizen.do("POST", f"{place(draft)}/comments", first, status=201)
    assert (made["comment_id"], made["comment"]) == (first["comment_id"], WORDS)
    assert citizen.do("POST", f"{place(draft)}/comments", first, status=201) == made
    citizen.do("POST", f"{place(draft)}/comments", second, status=201)
    operator = bearer(staff_tokens(app, client)["access_token"])
    address = f"{API}{place(draft, 'scheme-proposals')}"
    shown = client.get(address, headers=operator).get_json()
    assert shown["comment_count"] == 2
    read = client.get(f"{address}/comments", headers=operator).get_json()["comments"]
    assert [one["comment_id"] for one in read] == [second["comment_id"], first["comment_id"]]
    page = client.get(
        f"{address}/comments?limit=1&before={second['comment_id']}", headers=operator
    ).get_json()["comments"]
    assert [one["comment"] for one in page] == [WORDS]
    assert client.get(f"{address}/comments", headers=citizen.headers).status_code == 403
    assert client.get(f"{address}/comments").status_code == 401


def test_it_is_not_kept_who_said_it(draft: Draft, citizen: Villager) -> None:
    draft.tell()
    citizen.do("POST", f"{place(draft)}/comments", said(), status=201)
    with reading() as session:
        kept = session.execute(text("SELECT c::text FROM scheme_comments c")).scalar_one()
    assert str(citizen.citizen_id) not in kept


def test_only_while_rules_are_proposed_in_public(
    app: Flask, draft: Draft, citizen: Villager
) -> None:
    address = f"{place(draft)}/comments"
    assert citizen.refusal("POST", address, said()) == "scheme_unknown"
    draft.tell()
    kept = said()
    citizen.do("POST", address, kept, status=201)
    draft.confirm(finish_dry_run(draft.name))
    assert citizen.refusal("POST", address, said()) == "comments_closed"
    other = Draft(later_text())
    other.propose()
    other.tell()
    withdraw_scheme(name=other.name, operator_id=other.proposer, reason=REASON)
    late = villager(app)
    assert late.refusal("POST", f"{place(other)}/comments", said()) == "comments_closed"


@pytest.mark.parametrize("words", [
    "太短", " " * 20, "字" * 501, "请打电话 138 0013 8000 联系我", "我是330702199001011234，不同意",
    "我是３３０７０２１９９００１０１１２３４，不同意",
])  # fmt: skip
def test_words_without_sense_or_with_a_persons_number_are_refused(
    draft: Draft, citizen: Villager, words: str
) -> None:
    draft.tell()
    answer = citizen.ask("POST", f"{place(draft)}/comments", said(words))
    assert answer.status_code in {400, 422}
    with reading() as session:
        assert session.execute(text("SELECT count(*) FROM scheme_comments")).scalar_one() == 0


def test_an_id_is_for_one_comment_and_comments_are_limited(
    draft: Draft, citizen: Villager
) -> None:
    draft.tell()
    address, first = f"{place(draft)}/comments", said()
    citizen.do("POST", address, first, status=201)
    assert citizen.refusal("POST", address, first | {"comment": f"{WORDS}还有"}) == "id_reused"
    for _ in range(3):
        citizen.do("POST", address, said(), status=201)
    assert citizen.ask("POST", address, said()).status_code == 429
