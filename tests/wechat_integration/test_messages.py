from __future__ import annotations

import pytest

from wechat_integration.client import MiniProgramClient
from wechat_integration.errors import WeChatRefused, WeChatUnavailable
from wechat_integration.sandbox.control import FaultKind, SandboxControl

PATH = "/cgi-bin/message/subscribe/send"
OPENID = "oA1b2C3"
DATA = {"thing1": "《城市的历史》到期提醒", "time2": "2025年3月1日 18:00"}


def test_a_message_arrives_as_written(client: MiniProgramClient, control: SandboxControl) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1")
    _send(client, page="pages/card/index?from=message")
    (message,) = control.sent_messages()
    assert (message.openid, message.template_id) == (OPENID, "T1")
    assert message.page == "pages/card/index?from=message"
    assert message.data == DATA


def test_each_accept_allows_one_message(client: MiniProgramClient, control: SandboxControl) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1", count=2)
    _send(client)
    _send(client)
    assert _refusal(client) == 43101
    assert len(control.sent_messages()) == 2


def test_an_unknown_user_is_refused(client: MiniProgramClient, control: SandboxControl) -> None:
    assert _refusal(client) == 40003


def test_an_accept_is_for_one_template(client: MiniProgramClient, control: SandboxControl) -> None:
    control.grant_accepts(openid=OPENID, template_id="T2")
    assert _refusal(client) == 43101


@pytest.mark.parametrize(
    "data", [{}, {"thing1": "长" * 21}, {"thing1": ""}, {"thing": "好"}, {"colour1": "red"}]
)
def test_data_that_does_not_fit_the_template_is_refused(
    client: MiniProgramClient, control: SandboxControl, data: dict[str, str]
) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1")
    assert _refusal(client, data) == 47003
    assert control.sent_messages() == []


def test_a_busy_service_is_asked_again_twice(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1")
    control.add_fault(kind=FaultKind.BUSY, path=PATH, requests=2)
    _send(client)
    assert control.count_calls(path=PATH) == 3
    assert len(control.sent_messages()) == 1


def test_a_service_that_stays_busy_has_sent_nothing(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.BUSY, path=PATH)
    with pytest.raises(WeChatUnavailable) as caught:
        _send(client)
    assert (caught.value.reason, caught.value.outcome_unknown) == ("busy", False)
    assert control.count_calls(path=PATH) == 3


def test_a_message_whose_answer_was_lost_is_not_sent_twice(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1", count=5)
    control.add_fault(kind=FaultKind.DOWN, path=PATH, takes_effect=True)
    with pytest.raises(WeChatUnavailable) as caught:
        _send(client)
    assert caught.value.outcome_unknown
    assert len(control.sent_messages()) == 1


def test_an_outage_before_the_token_leaves_no_doubt(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.DOWN, path="/cgi-bin/stable_token")
    with pytest.raises(WeChatUnavailable) as caught:
        _send(client)
    assert not caught.value.outcome_unknown


def test_a_message_is_at_most_16_kib(client: MiniProgramClient, control: SandboxControl) -> None:
    with pytest.raises(ValueError, match="16 KiB"):
        _send(client, data={"thing1": "长" * 6_000})
    assert control.count_calls(path=PATH) == 0


def test_half_a_character_does_not_break_the_call(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1")
    _send(client, data={"thing1": "a\ud83db"})
    assert control.sent_messages()[0].data == {"thing1": "a?b"}


def _send(
    client: MiniProgramClient, data: dict[str, str] | None = None, page: str | None = None
) -> None:
    client.send_subscribe_message(
        openid=OPENID, template_id="T1", page=page, data=DATA if data is None else data
    )


def _refusal(client: MiniProgramClient, data: dict[str, str] | None = None) -> int | None:
    with pytest.raises(WeChatRefused) as caught:
        _send(client, data)
    return caught.value.errcode
