"""The SMS service against the sandbox: a PIN goes out once, and failures have their types."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wechat_integration.conftest import QUICK
from tests.wechat_integration.raw_server import json_answer, raw_server
from wechat_integration.errors import SmsAnswerInvalid, SmsRefused, SmsUnavailable
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.settings import SandboxSettings
from wechat_integration.sms import SEND_PATH, HttpSmsProvider

PHONE, PIN = "13800000000", "123456"
KEY_ID, KEY = SandboxSettings().realname_key_id, SandboxSettings().realname_key.encode()


@pytest.fixture
def sms(base_url: str, control: SandboxControl) -> Iterator[HttpSmsProvider]:
    provider = HttpSmsProvider(base_url=base_url, key_id=KEY_ID, key=KEY, limits=QUICK)
    yield provider
    provider.close()


def test_a_message_goes_out_once_by_its_id(sms: HttpSmsProvider, control: SandboxControl) -> None:
    for _ in range(2):
        sms.send_pin(message_id="m-1", phone=PHONE, pin=PIN)
    assert control.sent_pins(phone=PHONE) == [PIN]


def test_what_the_service_refuses_has_its_word(
    sms: HttpSmsProvider, base_url: str, control: SandboxControl
) -> None:
    control.block_user(openid=PHONE)
    with pytest.raises(SmsRefused, match="number_blocked"):
        sms.send_pin(message_id="m-1", phone=PHONE, pin=PIN)
    stranger = HttpSmsProvider(base_url=base_url, key_id=KEY_ID, key=b"x" * 32, limits=QUICK)
    with pytest.raises(SmsRefused, match="signature_invalid"):
        stranger.send_pin(message_id="m-2", phone=PHONE, pin=PIN)
    stranger.close()
    for phone, pin in (("1380000000", PIN), (PHONE, "12345a")):
        with pytest.raises(ValueError, match="11 digits"):
            sms.send_pin(message_id="m-3", phone=phone, pin=pin)
    with pytest.raises(ValueError, match="32 bytes"):
        HttpSmsProvider(base_url=base_url, key_id=KEY_ID, key=b"short")


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        (FaultKind.UNAVAILABLE, SmsUnavailable), (FaultKind.DOWN, SmsUnavailable),
        (FaultKind.GARBAGE, SmsAnswerInvalid), (FaultKind.HUGE, SmsAnswerInvalid),
        (FaultKind.REDIRECT, SmsAnswerInvalid),
    ],
)
def test_s38_a_bad_upstream_is_bounded(
    sms: HttpSmsProvider, control: SandboxControl, kind: FaultKind, raised: type[Exception]
) -> None:
    control.add_fault(kind=kind, path=SEND_PATH)
    with pytest.raises(raised) as caught:
        sms.send_pin(message_id="m-1", phone=PHONE, pin=PIN)
    assert PHONE not in str(caught.value)
    assert PIN not in str(caught.value)


def test_another_word_is_no_yes() -> None:
    with raw_server(lambda _path: json_answer({"code": "maybe"})) as server:
        provider = HttpSmsProvider(
            base_url=server.base_url, key_id=KEY_ID, key=KEY, limits=QUICK
        )
        with pytest.raises(SmsAnswerInvalid):
            provider.send_pin(message_id="m-1", phone=PHONE, pin=PIN)
        provider.close()
