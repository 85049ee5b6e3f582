"""Bills of a day against the sandbox: whole or not at all, and asked of WeChat alone."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.wechat_integration.test_pay_score import OPENID, account_of
from wechat_integration import bills, pay_score_core
from wechat_integration.bills import BillLine, BillUnreadable, read_bill, unpack_bill
from wechat_integration.pay_score import (
    PayScoreAnswerForged,
    PayScoreClient,
    PayScoreUnavailable,
)
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.pay_bills import CITY, HEAD, SUMS_HEAD
from wechat_integration.sandbox.pay_keys import made_up_pay_keys

BILL, FILE = "/v3/bill/tradebill", "/v3/billdownload/file"
DAY_SECONDS = 86_400


@pytest.fixture
def pay(base_url: str, control: SandboxControl) -> Iterator[PayScoreClient]:
    control.permit_pay_score(openid=OPENID)
    client = PayScoreClient(account=account_of(made_up_pay_keys(), base_url))
    yield client
    client.close()


def paid(pay: PayScoreClient, control: SandboxControl, number: str, amount_fen: int) -> None:
    """An order that a user has paid."""
    pay.create(out_order_no=number, introduction="雨伞免押", risk_fen=9_900, openid=OPENID)
    pay.complete(out_order_no=number, name="租借费", amount_fen=amount_fen)
    control.pay_pay_score(out_order_no=number)


def today() -> date:
    return datetime.now(UTC).astimezone(CITY).date()


def test_a_bill_says_what_was_paid_and_given_back_and_nothing_of_persons(
    pay: PayScoreClient, control: SandboxControl
) -> None:
    on = today()
    for number, amount_fen in (("order_1", 1_500), ("order_2", 5)):
        paid(pay, control, number, amount_fen)
    control.refund_pay_score(out_order_no="order_1", amount_fen=300)
    pay.create(out_order_no="order_3", introduction="雨伞免押", risk_fen=1, openid=OPENID)
    with pytest.raises(PayScoreUnavailable, match="http_400"):
        pay.download_bill(on=on)  # it is made the next morning
    control.advance_clock(seconds=2 * DAY_SECONDS)
    assert pay.download_bill(on=on) == (
        BillLine(out_order_no="order_1", paid_fen=1_500, refunded_fen=0),
        BillLine(out_order_no="order_2", paid_fen=5, refunded_fen=0),
        BillLine(out_order_no="order_1", paid_fen=0, refunded_fen=300),
    )
    assert pay.download_bill(on=on - timedelta(days=1)) == ()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (FaultKind.UNAVAILABLE, FILE), (FaultKind.GARBAGE, FILE), (FaultKind.DOWN, FILE),
        (FaultKind.UNAVAILABLE, BILL), (FaultKind.REDIRECT, FILE),
    ],
)
def test_what_does_not_arrive_whole_is_asked_for_again(
    pay: PayScoreClient, control: SandboxControl, kind: FaultKind, path: str
) -> None:
    paid(pay, control, "order_1", 1_500)
    control.advance_clock(seconds=2 * DAY_SECONDS)
    control.add_fault(kind=kind, path=path, requests=2)
    assert [one.paid_fen for one in pay.download_bill(on=today())] == [1_500]
    assert control.count_calls(path=path) == 3
    control.add_fault(kind=kind, path=path)
    with pytest.raises((PayScoreUnavailable, PayScoreAnswerForged)):
        pay.download_bill(on=today())
    assert control.count_calls(path=path) == 6


def test_s38_a_file_that_is_too_large_is_not_read_to_its_end(
    pay: PayScoreClient, control: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid(pay, control, "order_1", 1_500)
    control.advance_clock(seconds=2 * DAY_SECONDS)
    control.add_fault(kind=FaultKind.HUGE, path=FILE)
    monkeypatch.setattr(pay_score_core, "FILE_MAX_BYTES", 200_000)
    with pytest.raises(PayScoreAnswerForged, match="size"):
        pay.download_bill(on=today())


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v3/file", "", "{base_url}.example/file"])
def test_nobody_but_wechat_pay_is_shown_a_signature(base_url: str, url: str) -> None:
    _, core = pay_score_core.open_pay(account_of(made_up_pay_keys(), base_url))
    with pytest.raises(PayScoreAnswerForged, match="address"):
        core.download(url.format(base_url=base_url))
    core.http.close()


def test_a_stranger_gets_no_file(base_url: str, control: SandboxControl) -> None:
    """What is asked for must be signed by the merchant."""
    account = replace(account_of(made_up_pay_keys(), base_url), certificate_serial="0" * 40)
    _, core = pay_score_core.open_pay(account)
    with pytest.raises(PayScoreUnavailable, match="http_401"):
        core.download(f"{base_url}{FILE}?token=x")
    core.http.close()


def bill_of(*rows: dict[str, str], **sums: str) -> bytes:
    """A file with these cells; the others are empty."""
    columns, told = HEAD.split(","), SUMS_HEAD.split(",")
    lines = [",".join(f"`{row.get(name, '')}" for name in columns) for row in rows]
    found = {"总交易单数": str(len(rows)), "订单总金额": "0.00", "申请退款总金额": "0.00", **sums}
    return "\r\n".join(
        [HEAD, *lines, SUMS_HEAD, ",".join(f"`{found.get(name, '')}" for name in told), ""]
    ).encode("utf-8-sig")


def row(**changes: str) -> dict[str, str]:
    return {
        "商户订单号": "n", "交易状态": "SUCCESS", "订单金额": "1.05", "申请退款金额": "0.00",
        "商品名称": "一,二", **changes,
    }  # fmt: skip


def test_amounts_are_read_to_the_fen_and_names_may_hold_commas() -> None:
    (line,) = read_bill(bill_of(row(), 订单总金额="1.05"))
    assert line == BillLine(out_order_no="n", paid_fen=105, refunded_fen=0)
    (line,) = read_bill(bill_of(
        row(交易状态="REVOKED", 订单金额="0.00", 申请退款金额="0.10"), 申请退款总金额="0.10"
    ))
    assert (line.paid_fen, line.refunded_fen) == (0, 10)
    assert read_bill(bill_of()) == ()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "shape"), (b"\xff\xfe", "shape"), (b"<html>", "shape"),
        (HEAD.encode(), "shape"), (f"{HEAD}\n{SUMS_HEAD}".encode(), "shape"),
        (bill_of(row()), "sums"), (bill_of(row(), 订单总金额="1.06"), "sums"),
        (bill_of(row(), 订单总金额="1.05", 总交易单数="2"), "sums"),
        (bill_of(row(订单金额="1.5")), "amount"), (bill_of(row(订单金额="-1.50")), "amount"),
        (bill_of(row(交易状态="UNHEARD_OF")), "state"),
        (bill_of(row()).replace("商户订单号".encode(), b"x"), "columns"),
        (bill_of(row(商品名称="一,`二")), "columns"),
    ],
)
def test_a_file_that_is_no_bill_is_refused(content: bytes, word: str) -> None:
    with pytest.raises(BillUnreadable, match=word):
        read_bill(content)


def test_s27_only_the_announced_bytes_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = bill_of()
    packed, sha1 = gzip.compress(plain), digest(plain)
    assert unpack_bill(packed, sha1=sha1.upper()) == plain
    cases: list[tuple[Any, str]] = [
        ((packed, digest(packed)), "digest"), ((packed[:-9], sha1), "cut"), ((plain, sha1), "gzip"),
        ((b"", sha1), "cut"),
    ]  # fmt: skip
    for (content, said), word in cases:
        with pytest.raises(BillUnreadable, match=word):
            unpack_bill(content, sha1=said)
    monkeypatch.setattr(bills, "BILL_MAX_BYTES", 100)
    with pytest.raises(BillUnreadable, match="size"):
        unpack_bill(packed, sha1=sha1)


def digest(content: bytes) -> str:
    return hashlib.new("sha1", content, usedforsecurity=False).hexdigest()
