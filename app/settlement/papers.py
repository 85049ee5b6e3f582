"""Statements and sheets as their readers get them: with names, and as rows for spreadsheets.

An owner sees its own merchant, an operator one or all.  No person stands in any of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Final
from uuid import UUID

from app.kernel.database import reading
from app.kernel.detached import sign_detached
from app.kernel.keys import KeyProvider
from app.merchants.names import (
    MerchantName,
    name_merchants,
    name_shops,
    require_merchant,
    require_owned_merchant,
)
from app.merchants.refusals import MerchantUnknown
from app.settlement.queries import (
    Line,
    SealedSheet,
    Statement,
    add_up,
    day_statement,
    list_sheets,
    month_statement,
)
from app.settlement.sources import KINDS

COLUMNS: Final = (
    "商户", "统一社会信用代码", "门店", "类别", "权益", "版本", "出资或担保方", "记账日",
    "业务月份", "笔数", "积分", "补贴（分）", "订单金额（分）", "应付商户（分）",
)  # fmt: skip
MONTH_COLUMNS: Final = tuple("记账月份" if name == "记账日" else name for name in COLUMNS)
PARTIES: Final = {
    "programme": "项目", "merchant": "商户", "operator": "运营方", "sponsor": "赞助方",
    "bank": "银行", "hospital": "医院", "fund": "基金",
}  # fmt: skip
STANDINGS: Final = {
    "parked": "另列：待核实", "disputed": "另列：有争议", "refused": "另列：不予结算",
}  # fmt: skip
TOTAL: Final = "合计"


@dataclass(frozen=True)
class Reader:
    """Who reads: the owner of a merchant, or an operator (None) who may name a merchant."""

    owner_id: UUID | None
    merchant_id: UUID | None = None

    def scope(self) -> UUID | None:
        """The merchant that is read, None for all.

        Refuses `not_merchant_staff`, `merchant_unknown` (another's too).
        """
        if self.owner_id is not None:
            own = require_owned_merchant(owner_id=self.owner_id)
            if self.merchant_id not in {None, own}:
                raise MerchantUnknown
            return own
        if self.merchant_id is not None:
            require_merchant(merchant_id=self.merchant_id)
        return self.merchant_id


@dataclass(frozen=True)
class Paper:
    """A statement of a day or of a month with the names in it; `seals` are of frozen sheets."""

    statement: Statement
    merchants: dict[UUID, MerchantName]
    shops: dict[UUID, str]
    seals: tuple[SealedSheet, ...]

    def rows(self) -> Iterator[tuple[object, ...]]:
        """A head, a row for each line, the sums, and what stands apart."""
        is_day = (self.statement.until_on - self.statement.from_on).days == 1
        yield COLUMNS if is_day else MONTH_COLUMNS
        for line in self.statement.lines:
            yield self._row(line, is_day=is_day)
        sums = self.statement.totals
        yield (
            TOTAL, *[None] * 9, sums.amount_points, sums.subsidy_fen, sums.order_fen,
            sums.owed_fen,
        )
        for one in self.statement.apart:
            yield (
                *self._names(one.merchant_id, one.shop_id), STANDINGS[one.standing], one.what,
                *[None] * 4, one.item_count, *[None] * 4,
            )

    def _row(self, line: Line, *, is_day: bool) -> tuple[object, ...]:
        return (
            *self._names(line.merchant_id, line.shop_id), KINDS[line.kind], line.what,
            line.version, PARTIES.get(line.party or ""),
            f"{line.booked_on:%Y-%m-%d}" if is_day else f"{line.booked_on:%Y-%m}",
            f"{line.origin_month_on:%Y-%m}", line.item_count, line.amount_points,
            line.subsidy_fen, line.order_fen, line.owed_fen,
        )

    def _names(self, merchant_id: UUID, shop_id: UUID | None) -> tuple[str | None, ...]:
        merchant = self.merchants[merchant_id]
        return merchant.name, merchant.credit_code, self.shops[shop_id] if shop_id else None


def open_day(*, reader: Reader, on: date) -> Paper:
    """The statement of a day.  Refuses as `Reader.scope` does."""
    with reading():
        return _paper(day_statement(merchant_id=reader.scope(), on=on), ())


def open_month(*, reader: Reader, month_on: date) -> Paper:
    """The sheets of a month, or their draft; the days of a month are added together.

    Refuses as `Reader.scope` does.
    """
    with reading():
        merchant_id = reader.scope()
        found = month_statement(merchant_id=merchant_id, month_on=month_on)
        seals = list_sheets(merchant_id=merchant_id, month_on=month_on) if found.is_frozen else []
        return _paper(replace(found, lines=merge_days(found.lines)), tuple(seals))


def list_own_sheets(*, reader: Reader, limit: int) -> list[SealedSheet]:
    """The frozen sheets that a reader may see, the newest first.  Refuses as `Reader.scope`."""
    with reading():
        return list_sheets(merchant_id=reader.scope(), limit=limit)


def merge_days(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Lines that differ in their day alone, added up; the day is the first of its month."""
    monthly = [replace(line, booked_on=line.booked_on.replace(day=1)) for line in lines]
    return tuple(_merged(list(group)) for _, group in groupby(monthly, key=_without_sums))


def seal_text(sheet: SealedSheet) -> str:
    """What the signature of a sheet covers: whose, which month, what is owed, its digest."""
    return (
        f"settlement {sheet.month_on:%Y-%m} {sheet.merchant_id}"
        f" owed_fen={sheet.totals.owed_fen} sha256={sheet.digest.hex()}"
    )


def sign_seal(*, keys: KeyProvider, sheet: SealedSheet) -> str:
    """The detached signature over `seal_text`, checked like any publication."""
    return sign_detached(keys=keys, payload=seal_text(sheet).encode())


def _paper(statement: Statement, seals: tuple[SealedSheet, ...]) -> Paper:
    concerned = {line.merchant_id for line in statement.lines}
    concerned |= {one.merchant_id for one in statement.apart}
    return Paper(
        statement, name_merchants(merchant_ids=concerned), name_shops(merchant_ids=concerned),
        seals,
    )


def _without_sums(line: Line) -> tuple[object, ...]:
    return (
        line.merchant_id, line.shop_id, line.what, line.version, line.kind, line.party,
        line.origin_month_on, line.booked_on,
    )


def _merged(lines: list[Line]) -> Line:
    sums = add_up(lines)
    return replace(lines[0], item_count=sum(line.item_count for line in lines), **vars(sums))
