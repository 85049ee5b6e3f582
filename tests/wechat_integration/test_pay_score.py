"""The Pay Score adapter against the sandbox: its states, its signatures, and forged notices."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from wechat_integration.pay_score import (
    NoticeRefused,
    PayScoreAccount,
    PayScoreAnswerForged,
    PayScoreClient,
    PayScoreError,
    PayScoreRefused,
    PayScoreUnavailable,
)
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.pay_keys import PayKeys, kept_pay_keys, made_up_pay_keys
from wechat_integration.sandbox.pay_notices import notice_body, signed_headers
from wechat_integration.sandbox.server import SandboxServer
from wechat_integration.sandbox.settings import SandboxSettings

NUMBER = "order_1"
OPENID = "openid-of-somebody"
ORDERS = "/v3/payscore/serviceorder"


def account_of(keys: PayKeys, base_url: str, **changes: str) -> PayScoreAccount:
    facts: dict[str, Any] = keys.account(
        app_id=SandboxSettings().app_id, notify_url="http://127.0.0.1:9/notices", base_url=base_url
    )
    return PayScoreAccount(**facts | changes)


@pytest.fixture
def pay(base_url: str, control: SandboxControl) -> Iterator[PayScoreClient]:
    client = PayScoreClient(account=account_of(made_up_pay_keys(), base_url))
    yield client
    client.close()


def state(pay: PayScoreClient) -> tuple[str, str]:
    order = pay.query(out_order_no=NUMBER)
    assert order is not None
    return order.state, order.state_description


def begin(pay: PayScoreClient, control: SandboxControl) -> None:
    control.permit_pay_score(openid=OPENID)
    pay.create(out_order_no=NUMBER, introduction="雨伞免押", risk_fen=9_900, openid=OPENID)


def test_an_order_from_permission_to_payment(pay: PayScoreClient, control: SandboxControl) -> None:
    assert pay.query(out_order_no=NUMBER) is None
    begin(pay, control)
    assert state(pay) == ("DOING", "USER_CONFIRM")
    pay.complete(out_order_no=NUMBER, name="租借费", amount_fen=1_500)
    assert state(pay) == ("DOING", "MCH_COMPLETE")
    pay.modify(out_order_no=NUMBER, name="租借费", amount_fen=1_200, reason="协商")
    pay.pay(out_order_no=NUMBER)
    control.pay_pay_score(out_order_no=NUMBER)
    order = pay.query(out_order_no=NUMBER)
    assert order is not None
    assert (order.state, order.total_fen) == ("DONE", 1_200)


def test_an_order_that_the_user_confirms(pay: PayScoreClient, control: SandboxControl) -> None:
    for _ in range(2):  # the same again is the same
        made = pay.create(out_order_no=NUMBER, introduction="雨伞免押", risk_fen=9_900)
        assert made.state == "CREATED"
    control.confirm_pay_score(out_order_no=NUMBER, openid=OPENID)
    assert state(pay) == ("DOING", "USER_CONFIRM")
    for _ in range(2):
        pay.cancel(out_order_no=NUMBER, reason="已归还")
    assert state(pay) == ("REVOKED", "")


def test_what_is_untouched_for_thirty_days_expires(
    pay: PayScoreClient, control: SandboxControl
) -> None:
    pay.create(out_order_no=NUMBER, introduction="雨伞免押", risk_fen=9_900)
    control.advance_clock(seconds=30 * 86_400)
    assert state(pay) == ("EXPIRED", "")
    with pytest.raises(PayScoreRefused, match="INVALID_REQUEST"):
        pay.cancel(out_order_no=NUMBER, reason="不用了")


def test_paid_elsewhere_is_told(pay: PayScoreClient, control: SandboxControl) -> None:
    begin(pay, control)
    pay.complete(out_order_no=NUMBER, name="租借费", amount_fen=1_500)
    pay.sync_paid(out_order_no=NUMBER, paid_at=datetime.now(UTC))
    assert state(pay) == ("DONE", "")


def test_steps_that_the_state_refuses(pay: PayScoreClient, control: SandboxControl) -> None:
    pay.create(out_order_no=NUMBER, introduction="雨伞免押", risk_fen=9_900)
    complete: Callable[[], None] = lambda: pay.complete(
        out_order_no=NUMBER, name="租借费", amount_fen=1
    )
    for _ in range(2):  # created, then revoked
        with pytest.raises(PayScoreRefused, match="INVALID_REQUEST") as caught:
            complete()
        assert caught.value.status == 400
        pay.cancel(out_order_no=NUMBER, reason="不用了")


@pytest.mark.parametrize(("amount_fen", "code"), [(9_901, "PARAM_ERROR"), (9_900, "")])
def test_no_more_than_the_risk(
    pay: PayScoreClient, control: SandboxControl, amount_fen: int, code: str
) -> None:
    begin(pay, control)
    if not code:
        pay.complete(out_order_no=NUMBER, name="损坏", amount_fen=amount_fen)
        with pytest.raises(PayScoreRefused, match="INVALID_REQUEST"):
            pay.complete(out_order_no=NUMBER, name="损坏", amount_fen=amount_fen)
        with pytest.raises(PayScoreRefused, match="PARAM_ERROR"):
            pay.modify(out_order_no=NUMBER, name="损坏", amount_fen=9_901, reason="x")
        return
    with pytest.raises(PayScoreRefused, match=code):
        pay.complete(out_order_no=NUMBER, name="损坏", amount_fen=amount_fen)


def test_permissions_are_asked_for_and_ended(pay: PayScoreClient, control: SandboxControl) -> None:
    assert pay.ask_permission(authorization_code="code_1")
    assert not pay.has_permission(openid=OPENID)
    with pytest.raises(PayScoreRefused, match="NO_AUTH"):
        pay.create(out_order_no=NUMBER, introduction="雨伞免押", risk_fen=1, openid=OPENID)
    control.permit_pay_score(openid=OPENID)
    assert pay.has_permission(openid=OPENID)
    pay.end_permission(authorization_code=OPENID, reason="用户撤回")  # the path put right
    assert not pay.has_permission(openid=OPENID)


def test_answers_that_wechat_did_not_sign_are_refused(
    base_url: str, control: SandboxControl
) -> None:
    keys = made_up_pay_keys()
    stranger = replace(
        keys, wechat_key=rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    for changes in ({"wechat_public_key": stranger.wechat_public_pem}, {"wechat_key_id": "x"}):
        client = PayScoreClient(account=account_of(keys, base_url, **changes))
        with pytest.raises(PayScoreAnswerForged):
            client.create(out_order_no=NUMBER, introduction="x", risk_fen=1)
        client.close()


def test_the_sandbox_holds_us_to_our_signature(base_url: str, control: SandboxControl) -> None:
    keys = made_up_pay_keys()
    other = replace(
        keys, merchant_key=rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    for account in (account_of(other, base_url), account_of(keys, base_url, merchant_id="1")):
        client = PayScoreClient(account=account)
        with pytest.raises(PayScoreRefused, match="SIGN_ERROR"):
            client.query(out_order_no=NUMBER)
        client.close()


@pytest.mark.parametrize("kind", [FaultKind.DOWN, FaultKind.UNAVAILABLE])
def test_an_outage_is_told_apart(
    pay: PayScoreClient, control: SandboxControl, kind: FaultKind
) -> None:
    control.add_fault(kind=kind, path=ORDERS)
    with pytest.raises(PayScoreUnavailable):
        pay.query(out_order_no=NUMBER)


@pytest.mark.parametrize(
    "kind", [FaultKind.GARBAGE, FaultKind.REDIRECT, FaultKind.HUGE, FaultKind.BUSY]
)
def test_what_is_no_answer_is_not_believed(
    pay: PayScoreClient, control: SandboxControl, kind: FaultKind
) -> None:
    control.add_fault(kind=kind, path=ORDERS)
    with pytest.raises(PayScoreError):
        pay.query(out_order_no=NUMBER)


def test_a_call_that_hangs_is_given_up(pay: PayScoreClient, control: SandboxControl) -> None:
    control.add_fault(kind=FaultKind.HANG, path=ORDERS, seconds=20)
    started = time.monotonic()
    with pytest.raises(PayScoreUnavailable):
        pay.query(out_order_no=NUMBER)
    assert time.monotonic() - started < 10


def resource(**changes: Any) -> dict[str, Any]:
    keys = made_up_pay_keys()
    return {
        "mchid": keys.merchant_id, "service_id": keys.service_id,
        "appid": SandboxSettings().app_id, "out_order_no": NUMBER, "state": "DONE", **changes,
    }  # fmt: skip


def test_a_notice_is_read(pay: PayScoreClient) -> None:
    now, keys = datetime.now(UTC), made_up_pay_keys()
    body = notice_body(keys, "PAYSCORE.USER_PAID", resource())
    headers = signed_headers(keys, body, at_seconds=now.timestamp())
    notice = pay.read_notice(headers=headers, body=body.encode(), now=now)
    assert (notice.event_type, notice.out_order_no) == ("PAYSCORE.USER_PAID", NUMBER)


Forge = Callable[[str, dict[str, str]], tuple[str, dict[str, str]]]


def again(
    body: str, *, keys: PayKeys | None = None, ago: timedelta = timedelta()
) -> dict[str, str]:
    at = datetime.now(UTC) - ago
    return signed_headers(keys or made_up_pay_keys(), body, at_seconds=at.timestamp())


def other_secret() -> str:
    keys = replace(made_up_pay_keys(), api_v3_key="0" * 32)
    return notice_body(keys, "PAYSCORE.USER_PAID", resource())


def foreign(**changes: str) -> tuple[str, dict[str, str]]:
    body = notice_body(made_up_pay_keys(), "PAYSCORE.USER_PAID", resource(**changes))
    return body, again(body)


def plain() -> tuple[str, dict[str, str]]:
    body = json.dumps({"id": "1", "event_type": "PAYSCORE.USER_PAID", "resource": resource()})
    return body, again(body)


FORGED: dict[str, Forge] = {
    "body changed": lambda body, headers: (body.replace("USER_PAID", "USER_PAYD"), headers),
    "signature changed": lambda body, headers: (
        body, headers | {"Wechatpay-Signature": headers["Wechatpay-Signature"][:-8] + "AAAAAAA="}
    ),
    "no signature": lambda body, headers: (body, headers | {"Wechatpay-Signature": ""}),
    "a probe": lambda body, headers: (
        body, headers | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/AAAA"}
    ),
    "another's key": lambda body, _: (body, again(body, keys=replace(
        made_up_pay_keys(), wechat_key=rsa.generate_private_key(65537, 2048)
    ))),
    "another serial": lambda body, headers: (body, headers | {"Wechatpay-Serial": "5157F0"}),
    "ten years old": lambda body, _: (body, again(body, ago=timedelta(days=3650))),
    "from tomorrow": lambda body, _: (body, again(body, ago=timedelta(days=-1))),
    "time changed": lambda body, headers: (
        body, headers | {"Wechatpay-Timestamp": str(int(headers["Wechatpay-Timestamp"]) + 1)}
    ),
    "time no number": lambda body, headers: (body, headers | {"Wechatpay-Timestamp": "now"}),
    "nonce changed": lambda body, headers: (body, headers | {"Wechatpay-Nonce": "x"}),
    "other secret": lambda *_: (body := other_secret(), again(body)),
    "another merchant": lambda *_: foreign(mchid="1"),
    "another service": lambda *_: foreign(service_id="1"),
    "another program": lambda *_: foreign(appid="1"),
    "not sealed": lambda *_: plain(),
    "not JSON": lambda *_: ("<xml/>", again("<xml/>")),
    "a list": lambda *_: ("[]", again("[]")),
    "too large": lambda *_: ("x" * 70_000, again("x" * 70_000)),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGED)
def test_s36_forged_notices_are_refused(pay: PayScoreClient, kind: str) -> None:
    body = notice_body(made_up_pay_keys(), "PAYSCORE.USER_PAID", resource())
    forged, headers = FORGED[kind](body, again(body))
    with pytest.raises(NoticeRefused):
        pay.read_notice(headers=headers, body=forged.encode(), now=datetime.now(UTC))


def test_secrets_do_not_show(base_url: str) -> None:
    keys = made_up_pay_keys()
    shown = repr(account_of(keys, base_url)) + repr(keys) + repr(SandboxSettings())
    assert keys.api_v3_key not in shown
    assert "PRIVATE" not in shown


def test_while_wechat_changes_its_key_both_are_taken(
    base_url: str, control: SandboxControl
) -> None:
    keys = made_up_pay_keys()
    newer = replace(keys, wechat_key_id="PUB_KEY_ID_2", wechat_key=rsa.generate_private_key(
        public_exponent=65537, key_size=2048
    ))  # fmt: skip
    # The next key stands first already; answers still come under the one before.
    account = replace(
        account_of(newer, base_url), more_wechat_keys={keys.wechat_key_id: keys.wechat_public_pem}
    )
    pay = PayScoreClient(account=account)
    begin(pay, control)
    assert state(pay) == ("DOING", "USER_CONFIRM")
    now = datetime.now(UTC)
    for signer in (keys, newer):
        body = notice_body(signer, "PAYSCORE.USER_PAID", {
            "mchid": keys.merchant_id, "service_id": keys.service_id, "appid": account.app_id,
            "out_order_no": NUMBER,
        })  # fmt: skip
        headers = signed_headers(signer, body, at_seconds=now.timestamp())
        notice = pay.read_notice(headers=headers, body=body.encode(), now=now)
        assert notice.out_order_no == NUMBER
    swapped = signed_headers(
        replace(newer, wechat_key_id=keys.wechat_key_id), body, at_seconds=now.timestamp()
    )
    with pytest.raises(NoticeRefused, match="signature"):
        pay.read_notice(headers=swapped, body=body.encode(), now=now)
    pay.close()


def test_a_merchant_in_another_process_goes_by_the_kept_keys(tmp_path: Path) -> None:
    """Both sides read one file; the user's own side sees what WeChat knows of an order."""
    kept = tmp_path / "pay-keys.json"
    ours, theirs = kept_pay_keys(kept), kept_pay_keys(kept)
    assert kept.stat().st_mode & 0o777 == 0o600
    with (
        SandboxServer(settings=SandboxSettings(pay_keys=theirs)) as server,
        SandboxControl(base_url=server.base_url) as remote,
    ):
        client = PayScoreClient(account=account_of(ours, server.base_url))
        begin(client, remote)
        assert state(client) == ("DOING", "USER_CONFIRM")
        [known] = remote.pay_score_orders()
        client.close()
    assert (known["out_order_no"], known["service_introduction"]) == (NUMBER, "雨伞免押")
    assert known["risk_fund"]["amount"] == 9_900
