"""R2, R4: whatever somebody gives, takes back, refuses, leaves and joins anew, what is done with
their data stays within the consents that stand at that instant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from flask import Flask
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.members.sessions import open_citizen_session
from app.rights.leaving import erase_due
from tests.conftest import Sized, forget_limits
from tests.library.reading_room import Library, open_library, publish_figures
from tests.members.people import made_up_member
from tests.races.threads import changed_function
from tests.redemptions.builders import (
    API,
    Citizen,
    grant_points,
    keys_of,
    publish_benefit,
    set_tier,
    staff_tokens,
)
from tests.rights.test_leaving import LATER
from tests.service_orders.shop import Shop, make_shop

OPTIONAL = ("library", "rental")
PURPOSES = ("membership", *OPTIONAL)
STATE = "citizen_consent_state(uuid, text)"
UNCHECKED = {
    "IF last.decision <> 'given' THEN RETURN last.decision; END IF;": "",
}
Step = tuple[str, str]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("give", "withdraw", "refuse")), st.sampled_from(OPTIONAL)),
        st.tuples(st.just("use"), st.sampled_from(PURPOSES)),
        st.tuples(st.sampled_from(("leave", "join")), st.just("membership")),
    ),
    min_size=6, max_size=18,
)  # fmt: skip


@dataclass
class Life:
    """Somebody over time: what stands by the model, and what was done with their data."""

    city: City
    who: Citizen
    standing: set[str]
    person: members.NewMember
    wrong: list[Step] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Do one step and look at what it did."""
        act, purpose = step
        if act == "use":
            if self.city.uses[purpose](self.who):
                self.city.done[purpose] += 1
                if not {"membership", purpose} <= self.standing:
                    self.wrong.append(step)
        elif act == "leave":
            self._leave()
        elif act == "join":
            self._join()
        elif "membership" in self.standing:
            self._decide(act, purpose)

    def _decide(self, act: str, purpose: str) -> None:
        path = {"give": "", "withdraw": "/withdrawals", "refuse": "/refusals"}[act]
        body = {"purpose": purpose} | ({} if act == "withdraw" else {"text_version": 1})
        answer = self.city.client.post(
            f"{API}/me/consents{path}", json=body, headers=self.who.headers
        )
        if act == "give":
            assert answer.status_code == 200, answer.text
            self.standing.add(purpose)
        elif act == "withdraw" and answer.status_code == 200:
            self.standing.discard(purpose)
        elif act == "refuse" and (answer.status_code == 409) != (purpose in self.standing):
            self.wrong.append((act, purpose))

    def _leave(self) -> None:
        answer = self.city.client.post(
            f"{API}/me/leave", json={"confirmed": True}, headers=self.who.headers
        )
        if answer.status_code == 200:
            self.standing.clear()

    def _join(self) -> None:
        if not self.standing:
            self.city.erase()
            self.who = self.city.joined(self.person)
            self.standing = {"membership"}


@dataclass
class City:
    """Where consents are used: a voucher, a library's desk, a rental."""

    app: Flask
    job_app: Flask
    admin: psycopg.Connection[Any]
    benefit: str
    library: Library
    shop: Shop
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        self.uses: dict[str, Callable[[Citizen], bool]] = {
            "membership": self._claims, "library": self._is_told, "rental": self._rents,
        }

    def begin(self) -> Life:
        person = made_up_member()
        return Life(self, self.joined(person), {"membership"}, person)

    def joined(self, person: members.NewMember) -> Citizen:
        with self.app.app_context():
            with transaction() as session:
                citizen_id = members.register_member(keys=keys_of(self.app), **vars(person))
                opened = open_citizen_session(session, citizen_id=citizen_id)
            who = Citizen(citizen_id, opened.session_id, staff_tokens(opened))
        grant_points(self.app, citizen_id, 1_000)
        set_tier(self.app, citizen_id, "AAA")
        return who

    def erase(self) -> None:
        """As if an hour had passed since somebody left."""
        self.admin.execute(LATER)
        with self.job_app.app_context():
            erase_due(limit=100, is_journaled=False)

    def _claims(self, who: Citizen) -> bool:
        return who.claim(self.client, self.benefit).status_code == 200

    def _is_told(self, who: Citizen) -> bool:
        shown = self.client.post(f"{API}/me/pass-code", headers=who.headers)
        if shown.status_code != 200:
            return False
        answer = self.library.at_desk("standing", code=shown.get_json()["code"])
        return answer.status_code == 200 and answer.get_json()["tier"] is not None

    def _rents(self, who: Citizen) -> bool:
        order = self.shop.own("POST", body={
            "order_id": str(new_id()), "line_id": str(self.shop.line_id), "amount_fen": 100,
        }, who=who)  # fmt: skip
        if order.status_code != 201:
            return False
        cancelled = self.shop.own(
            "POST", f"/{order.get_json()['order_id']}/cancel", {"act_id": str(new_id())},
            who=who,
        )
        assert cancelled.status_code == 200, cancelled.text
        return True


@pytest.fixture
def city(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> City:
    app = committing_app
    benefit = publish_benefit(app, price_points=1)
    publish_figures(app)
    library = open_library(app, app.test_client())
    return City(app, job_app, admin, benefit, library, make_shop(app))


@pytest.mark.parametrize("is_checked", [True, False])
def test_r2_r4_nothing_is_done_beyond_the_consents_that_stand(
    city: City, sized: Sized, is_checked: bool  # noqa: FBT001
) -> None:
    """Without the look at the last decision it is: the property sees it."""
    wrong: list[Step] = []
    change = nullcontext() if is_checked else changed_function(city.admin, STATE, UNCHECKED)

    @settings(
        max_examples=sized(ci=15, full=500), deadline=None, phases=[Phase.generate],
        derandomize=True, database=None,
    )
    @given(steps=STEPS)
    def lives(steps: list[Step]) -> None:
        forget_limits(city.app)
        life = city.begin()
        for step in [*steps, *(("use", purpose) for purpose in PURPOSES)]:
            life.take(step)
        wrong.extend(life.wrong)

    with change:
        lives()
    assert (wrong == []) == is_checked
    assert {purpose for purpose, count in city.done.items() if count} == set(PURPOSES)
