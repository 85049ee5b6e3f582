"""S35: the receiver in docs/webhooks.md takes what we send, once, and refuses what is replayed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from app.webhooks.signing import new_secret, shown, signed_headers
from tests.conftest import ROOT
from tests.webhooks.receiver import Received, receiving
from tests.webhooks.shop import Owner

PAGE = ROOT / "docs" / "webhooks.md"
BODY = b'{"type":"merchant.suspended","data":{}}'


def sample() -> Any:
    """The class on the page, as a merchant's programmer would copy it."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 -- the page's own code
    return names["Receiver"]


def made(
    secret: str, folder: Path, handle: Callable[[dict[str, Any]], None]
) -> Callable[[dict[str, str], bytes], str]:
    receiver = sample()(secret, str(folder / "seen.sqlite"), handle)
    receive: Callable[[dict[str, str], bytes], str] = receiver.receive
    return receive


def test_s35_the_sample_takes_each_event_once(owner: Owner, tmp_path: Path) -> None:
    handled: list[dict[str, Any]] = []
    receive: list[Callable[[dict[str, str], bytes], str]] = []

    def answer(one: Received) -> int:
        return int(receive[0](one.headers, one.body).split()[0])

    with receiving(answer) as server:
        endpoint = owner.endpoint(server.url)
        receive.append(made(endpoint.secret, tmp_path, handled.append))
        event_id = owner.happens()
        owner.send()
        owner.done("POST", f"{endpoint.path}/deliveries/{event_id}/redelivery")
        owner.send()
        assert server.ids() == [str(event_id)] * 2
        (delivery,) = owner.log(endpoint)
    assert [one["status"] for one in delivery["attempts"]] == [200, 200]
    assert handled == [orjson.loads(server.received[0].body)]
    assert handled[0]["data"] == {"merchant_id": str(owner.clerk.merchant_id)}


def test_s35_the_sample_refuses_what_is_replayed_or_forged(tmp_path: Path) -> None:
    secret, handled = new_secret(), list[dict[str, Any]]()
    receive = made(shown(secret), tmp_path, handled.append)

    def signed(
        age_seconds: int = 0, by: bytes = secret, message_id: str = "one"
    ) -> dict[str, str]:
        return signed_headers(
            secrets_in_force=[by], message_id=message_id,
            sent_at_seconds=int(time.time()) - age_seconds, body=BODY,
        )

    for headers, body in (
        (signed(age_seconds=301), BODY), (signed(age_seconds=-330), BODY),
        (signed(by=new_secret()), BODY), (signed(), BODY + b" "), ({}, BODY),
        (signed() | {"webhook-id": "two"}, BODY),
        (signed(age_seconds=301) | {"webhook-timestamp": str(int(time.time()))}, BODY),
    ):
        assert receive(headers, body) == "401 Unauthorized"
    assert handled == []
    assert receive(signed(age_seconds=290), BODY) == "200 OK"
    assert receive(signed(), BODY) == "200 OK"  # the same id: taken, and nothing done again
    assert len(handled) == 1
