from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.wechat_integration.raw_server import json_answer, raw_server
from wechat_integration.client import MiniProgramClient
from wechat_integration.errors import (
    WeChatAnswerInvalid,
    WeChatCodeInvalid,
    WeChatPhoneNotMainland,
    WeChatUnavailable,
)
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.settings import DEMO_APP_ID

PATH = "/wxa/business/getuserphonenumber"
PHONE = "13800138000"
CODE = "0a1b2c3d4e5f"


def test_a_code_gives_eleven_digits(client: MiniProgramClient, control: SandboxControl) -> None:
    assert client.phone_number(code=control.issue_phone_code(phone=PHONE)) == PHONE


def test_a_code_works_once_and_five_minutes(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    used, late = control.issue_phone_code(phone=PHONE), control.issue_phone_code(phone=PHONE)
    client.phone_number(code=used)
    with pytest.raises(WeChatCodeInvalid):
        client.phone_number(code=used)
    control.advance_clock(seconds=301)
    with pytest.raises(WeChatCodeInvalid):
        client.phone_number(code=late)


@pytest.mark.parametrize(
    ("phone", "country_code"), [("61234567", "852"), ("13800138000", "1"), ("2087654321", "86")]
)
def test_only_mainland_mobile_numbers_are_served(
    client: MiniProgramClient, control: SandboxControl, phone: str, country_code: str
) -> None:
    code = control.issue_phone_code(phone=phone, country_code=country_code)
    with pytest.raises(WeChatPhoneNotMainland):
        client.phone_number(code=code)


def test_a_refused_token_does_not_cost_the_user_the_code(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    client.phone_number(code=control.issue_phone_code(phone=PHONE))
    control.revoke_tokens()
    assert client.phone_number(code=control.issue_phone_code(phone=PHONE)) == PHONE
    assert control.count_calls(path=PATH) == 3


@pytest.mark.parametrize("kind", [FaultKind.BUSY, FaultKind.DOWN])
def test_a_code_that_may_be_spent_is_never_sent_again(
    client: MiniProgramClient, control: SandboxControl, kind: FaultKind
) -> None:
    code = control.issue_phone_code(phone=PHONE)
    control.add_fault(kind=kind, path=PATH, takes_effect=True)
    with pytest.raises(WeChatUnavailable) as caught:
        client.phone_number(code=code)
    assert caught.value.outcome_unknown
    assert control.count_calls(path=PATH) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"watermark": {"appid": "wx-of-somebody-else"}},
        {"watermark": None},
        {"purePhoneNumber": 13800138000},
        {"countryCode": None},
    ],
)
def test_an_answer_that_is_not_for_us_is_refused(
    make_client: Callable[..., MiniProgramClient], changes: dict[str, object]
) -> None:
    with (
        raw_server(_phone_answer(changes)) as server,
        pytest.raises(WeChatAnswerInvalid),
    ):
        make_client(base_url=server.base_url).phone_number(code=CODE)


def test_a_country_code_may_be_a_number(make_client: Callable[..., MiniProgramClient]) -> None:
    with raw_server(_phone_answer({"countryCode": 86})) as server:
        assert make_client(base_url=server.base_url).phone_number(code=CODE) == PHONE


def _phone_answer(changes: dict[str, object]) -> Callable[[str], list[bytes]]:
    right = {"purePhoneNumber": PHONE, "countryCode": "86", "watermark": {"appid": DEMO_APP_ID}}

    def answer(path: str) -> list[bytes]:
        if path == PATH:
            return json_answer({"errcode": 0, "phone_info": {**right, **changes}})
        return json_answer({"access_token": "token", "expires_in": 7200})

    return answer
