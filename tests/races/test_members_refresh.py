"""Fifty refreshes with one token: one of them wins, and the session is over."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Flask

from tests.members.api import bearer, citizen_tokens, staff_tokens
from tests.races.threads import at_once, changed_function, meeting
from wechat_integration.sandbox.control import SandboxControl

RACERS = 50
REFRESH = "citizen_refresh(uuid, uuid, uuid, uuid)"
WITHOUT_LOCK = {
    " FOR UPDATE;": "; PERFORM race_meet(4);",  # everybody has read before anybody writes
}


def race(app: Flask, refresh_token: str, racers: int = RACERS) -> list[Any]:
    """Refresh at the same moment; the answers."""
    def refresh() -> Any:
        return app.test_client().post("/api/v1/tokens/refresh", headers=bearer(refresh_token))

    return at_once([refresh] * racers)


def winners(answers: list[Any]) -> list[Any]:
    return [answer for answer in answers if answer.status_code == 200]


def test_s6_fifty_refreshes_have_one_winner(
    committing_app: Flask, sandbox: SandboxControl
) -> None:
    client = committing_app.test_client()
    for tokens in (citizen_tokens(client, sandbox), staff_tokens(committing_app, client)):
        answers = race(committing_app, tokens["refresh_token"])
        assert len(winners(answers)) == 1
        lost = [a.get_json()["code"] for a in answers if a.status_code != 200]
        assert lost.count("refresh_reused") == 1
        assert set(lost) == {"refresh_reused", "session_ended"}
        newest = winners(answers)[0].get_json()
        again = client.post("/api/v1/tokens/refresh", headers=bearer(newest["refresh_token"]))
        assert again.status_code == 401
        out = client.post("/api/v1/sign-out", headers=bearer(newest["access_token"]))
        assert out.status_code == 401


def test_without_the_lock_several_win(
    committing_app: Flask, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    tokens = citizen_tokens(committing_app.test_client(), sandbox)
    with meeting(admin), changed_function(admin, REFRESH, WITHOUT_LOCK):
        answers = race(committing_app, tokens["refresh_token"], racers=4)
    assert len(winners(answers)) > 1
