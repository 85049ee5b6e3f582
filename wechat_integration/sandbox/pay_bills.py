"""The bills of the sandbox's account at WeChat Pay: made the morning after, in WeChat's form."""

from __future__ import annotations

import gzip
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from wechat_integration.sandbox.clock import SandboxClock
from wechat_integration.sandbox.pay_orders import PayOrder, PayRefusal

CITY: Final = timezone(timedelta(hours=8))
MADE_AT_HOUR: Final = 10  # of the next day
HEAD: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMS_HEAD: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)


@dataclass(frozen=True)
class Booking:
    """Money that moved: what was paid, or given back."""

    at_seconds: float
    order: PayOrder
    paid_fen: int = 0
    refunded_fen: int = 0


@dataclass(frozen=True)
class MadeBill:
    """What the answer announces; `sha1` is of the file before it is packed."""

    token: str
    sha1: str


class PayBills:
    """Everything that moved, and the files made of it; whoever uses it holds the world's lock."""

    def __init__(self, clock: SandboxClock, *, merchant_id: str) -> None:
        self._clock = clock
        self._merchant_id = merchant_id
        self._bookings: list[Booking] = []
        self._files: dict[str, bytes] = {}

    def book_payment(self, order: PayOrder) -> None:
        """A user paid what an order came to."""
        self._bookings.append(
            Booking(self._clock.now_seconds(), order, paid_fen=order.total or 0)
        )

    def book_refund(self, order: PayOrder, amount_fen: int) -> None:
        """Somebody of the merchant gave money back."""
        self._bookings.append(
            Booking(self._clock.now_seconds(), order, refunded_fen=amount_fen)
        )

    def make(self, *, on: date, packed: bool) -> MadeBill:
        """The file of a day under a new token; refused until it can be there."""
        now = datetime.fromtimestamp(self._clock.now_seconds(), UTC).astimezone(CITY)
        ready_at = datetime(on.year, on.month, on.day, MADE_AT_HOUR, tzinfo=CITY)
        if now < ready_at + timedelta(days=1):
            raise PayRefusal(400, "STATEMENT_CREATING", "账单生成中")
        of_day = [one for one in self._bookings if _moment(one).date() == on]
        if not of_day:
            raise PayRefusal(400, "NO_STATEMENT_EXIST", "账单不存在")
        plain = self._text(of_day).encode("utf-8-sig")
        token = secrets.token_urlsafe(24)
        self._files[token] = gzip.compress(plain) if packed else plain
        return MadeBill(
            token, hashlib.new("sha1", plain, usedforsecurity=False).hexdigest()
        )

    def open(self, token: str) -> bytes:
        """The file of a token."""
        if token not in self._files:
            raise PayRefusal(400, "INVALID_REQUEST", "token无效")
        return self._files[token]

    def _text(self, bookings: list[Booking]) -> str:
        paid = sum(one.paid_fen for one in bookings)
        refunded = sum(one.refunded_fen for one in bookings)
        sums = (
            str(len(bookings)), _yuan(paid), _yuan(refunded), _yuan(0), "0.00000", _yuan(paid),
            _yuan(refunded),
        )  # fmt: skip
        rows = [_row(self._cells(one)) for one in bookings]
        return "\r\n".join([HEAD, *rows, SUMS_HEAD, _row(sums), ""])

    def _cells(self, one: Booking) -> tuple[str, ...]:
        state = "REFUND" if one.refunded_fen else "SUCCESS"
        refund = secrets.token_hex(14) if one.refunded_fen else ""
        return (
            f"{_moment(one):%Y-%m-%d %H:%M:%S}", one.order.asked["appid"], self._merchant_id, "0",
            "", secrets.token_hex(14), one.order.asked["out_order_no"], one.order.openid, "OTHERS",
            state, "OTHERS", "CNY", _yuan(one.paid_fen), _yuan(0), refund or "0", refund or "0",
            _yuan(one.refunded_fen), _yuan(0), "ORIGINAL" if refund else "",
            "SUCCESS" if refund else "", f"{one.order.asked['service_introduction']},一单", "",
            "0.00000", "0.60%", _yuan(one.paid_fen), _yuan(one.refunded_fen), "",
        )  # fmt: skip


def _moment(one: Booking) -> datetime:
    return datetime.fromtimestamp(one.at_seconds, UTC).astimezone(CITY)


def _row(cells: tuple[str, ...]) -> str:
    return ",".join(f"`{cell}" for cell in cells)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02}"
