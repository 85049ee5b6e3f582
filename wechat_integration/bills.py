"""WeChat Pay's bill of a day (v3 trade bill): what an account took and gave back, line by line.

The file is a table whose cells begin with a backtick, closed by a line of sums.  Only numbers of
orders and amounts are taken from it: it also names persons, by their openid.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

BILL_MAX_BYTES: Final = 100_000_000  # unpacked; a line has about 400
_CELL: Final = "`"
_BETWEEN: Final = ",`"
_SUMS_BEGIN: Final = "总交易单数"
_NUMBER, _STATE = "商户订单号", "交易状态"
_PAID, _REFUNDED = "订单金额", "申请退款金额"
_PAID_SUM, _REFUNDED_SUM = "订单总金额", "申请退款总金额"
_PAYMENT: Final = "SUCCESS"
_GIVEN_BACK: Final = frozenset({"REFUND", "REVOKED"})
_YUAN: Final = re.compile(r"([0-9]{1,12})\.([0-9]{2})")
_GZIP_WINDOW: Final = 31  # zlib's way to say: gzip, the largest window


class BillUnreadable(ValueError):
    """The file is not the bill that was announced; the message is a short word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """A payment or a refund of one of the account's orders, in fen; the other amount is 0."""

    out_order_no: str
    paid_fen: int
    refunded_fen: int


def unpack_bill(packed: bytes, *, sha1: str) -> bytes:
    """The file out of its gzip, when it has the digest that was announced.  BillUnreadable."""
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = unpacking.decompress(packed, BILL_MAX_BYTES)
    except zlib.error:
        raise BillUnreadable("gzip") from None
    if not unpacking.eof:
        raise BillUnreadable("cut" if len(plain) < BILL_MAX_BYTES else "size")
    # WeChat says SHA-1.  The digest came in a signed answer; it tells whether the file is whole.
    found = hashlib.new("sha1", plain, usedforsecurity=False).hexdigest()
    if not compare_digest(found, sha1.lower()):
        raise BillUnreadable("digest")
    return plain


def read_bill(plain: bytes) -> tuple[BillLine, ...]:
    """The lines of a bill, whose number and sums are those that it says.  BillUnreadable."""
    try:
        head, *rows = plain.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
        at = [row.startswith(_SUMS_BEGIN) for row in rows].index(True)
        names, sums = rows[at].split(","), _cells(rows[at + 1])
    except (ValueError, IndexError):
        raise BillUnreadable("shape") from None
    columns = head.split(",")
    lines = tuple(_line(_named(columns, _cells(row))) for row in rows[:at])
    told = _named(names, sums)
    found = (
        str(len(lines)), sum(one.paid_fen for one in lines), sum(one.refunded_fen for one in lines)
    )  # fmt: skip
    if found != (told[_SUMS_BEGIN], _fen(told[_PAID_SUM]), _fen(told[_REFUNDED_SUM])):
        raise BillUnreadable("sums")
    return lines


def _cells(row: str) -> list[str]:
    """A name may hold commas; what separates cells is a comma and a backtick."""
    return row.removeprefix(_CELL).split(_BETWEEN)


def _named(columns: list[str], cells: list[str]) -> dict[str, str]:
    needed = {_NUMBER, _STATE, _PAID, _REFUNDED} <= set(columns)
    if len(columns) != len(cells) or not (needed or _SUMS_BEGIN in columns):
        raise BillUnreadable("columns")
    return dict(zip(columns, cells, strict=True))


def _line(cells: dict[str, str]) -> BillLine:
    state = cells[_STATE]
    if state not in {_PAYMENT, *_GIVEN_BACK}:
        raise BillUnreadable("state")
    return BillLine(
        out_order_no=cells[_NUMBER],
        paid_fen=_fen(cells[_PAID]) if state == _PAYMENT else 0,
        refunded_fen=_fen(cells[_REFUNDED]) if state in _GIVEN_BACK else 0,
    )


def _fen(yuan: str) -> int:
    found = _YUAN.fullmatch(yuan)
    if found is None:
        raise BillUnreadable("amount")
    return int(found[1]) * 100 + int(found[2])
