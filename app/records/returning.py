"""Refused rows go back to who sent them: kept sealed for a while, to be mended and sent again.

Kept are the cells of rows that were refused, never of a row that holds what may not be delivered or
the ID number of somebody who is no member, never of a dropped row, and nothing of a file that was
refused whole.  See ADR 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final
from uuid import UUID

import orjson
from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.kernel.crypto import new_wrapped_key, open_wrapped_key, seal, unseal_with
from app.kernel.database import reading, transaction
from app.kernel.errors import NotFound
from app.kernel.keys import Key, KeyProvider, KeyPurpose
from app.kernel.tables import fits_xlsx, undefused, write_csv, write_xlsx
from app.members.id_numbers import id_numbers_within
from app.members.queries import find_citizens_by_id_numbers
from app.members.spelling import compact
from app.records.catalogue import Catalogue
from app.records.cells import NumberCell
from app.records.models import DeliveryRefusal, DeliveryReturn, ReturnedRow
from app.records.reading import RETURN_COLUMNS, Layout
from app.records.steps import Reason

KEPT: Final = timedelta(days=30)
ROWS_MAX = 50_000  # of one delivery are kept, and in one file; of others number and reason alone
NOT_KEPT = "（本行内容未保存，请按行号查原文件）"
NOT_IN_EXCEL = "（单元格过长，Excel存不下，本行请下载CSV）"
MORE = "more"
MORE_TEXT = "此后还有{count}行，请加参数after_row={last}下载"

REASON_TEXTS: dict[Reason, str] = {
    Reason.TOTAL_ROW: "合计行不是记录",
    Reason.COLUMN_COUNT: "单元格数与表头不符，或引号不成对",
    Reason.FORMULA_CELL: "单元格是公式，请改为数值或文字",
    Reason.MISSING_FIELD: "必填项为空",
    Reason.BAD_ID_FORMAT: "身份证号格式不对，须为18位文本",
    Reason.BAD_ID_CHECK_DIGIT: "身份证号校验码不对",
    Reason.BAD_ID_BIRTH_DATE: "身份证号中的出生日期不存在",
    Reason.FORBIDDEN_CONTENT: "含有不得报送的内容，或他人的身份证号",
    Reason.BAD_VERSION: "版本号须为1至9999的整数",
    Reason.BAD_STATUS: "记录状态须为有效或作废",
    Reason.NAME_MISMATCH: "姓名与登记不一致",
    Reason.BAD_PHONE: "手机号格式不对",
    Reason.BAD_DATE: "日期格式不对或日期不存在",
    Reason.FUTURE_DATE: "日期晚于报送日期",
    Reason.UNDERAGE: "事项发生时未满18周岁",
    Reason.BAD_NUMBER: "数值格式不对",
    Reason.UNKNOWN_HONOUR_LEVEL: "荣誉级别不在目录中",
    Reason.UNKNOWN_DEED: "类别不在目录中",
    Reason.UNKNOWN_CIVILITY_ITEM: "项目与等级不在目录中",
    Reason.UNKNOWN_ITEM: "项目不在目录中",
    Reason.BAD_CODE: "代码格式不对",
    Reason.BAD_CERTIFICATE: "证号须为16位数字",
    Reason.OUT_OF_RANGE: "数值超出范围",
    Reason.CITIZEN_CHANGED: "该记录编号已属于另一人",
    Reason.VERSION_CONFLICT: "同一版本已有不同内容",
    Reason.INSUFFICIENT_POINTS: "积分余额不足",
    Reason.MEMBER_EXISTS: "该人员已登记且信息不同",
}


class RefusedRowsGone(NotFound):
    """The rows are no longer kept, or none was."""

    code: ClassVar[str] = "refused_rows_gone"
    title: ClassVar[str] = "The refused rows of this delivery are not kept (any more)"
    advice: ClassVar[str] = "该报送没有可下载的退回数据，或已超过保存期限。"


@dataclass(frozen=True)
class Returned:
    """The refused rows of a delivery: number, reason, cells (none where nothing is kept).

    `left_count` are further down than the last row, and not among them.
    """

    header: list[str]
    rows: list[tuple[int, str, list[str]]]
    left_count: int = 0


def keep_returned(
    session: Session,
    *,
    keys: KeyProvider,
    catalogue: Catalogue,
    layout: Layout,
    delivery_id: UUID,
    delivered_on: date,
    chunk: Iterable[tuple[int, list[str]]],
    refusals: Iterable[tuple[int, Reason]],
) -> None:
    """Keep the refused rows of a chunk, in the open transaction."""
    may_be_kept = {
        number for number, reason in refusals if reason is not Reason.FORBIDDEN_CONTENT
    }
    words = re.compile("|".join(map(re.escape, catalogue.forbidden_content_words)))
    said = (
        (number, cells, compact("\0".join(cells)).upper())
        for number, cells in chunk if number in may_be_kept
    )
    found = [
        (number, cells, id_numbers_within(text)) for number, cells, text in said
        # Whatever else is wrong with it: a row is refused for its first reason.
        if not words.search(text)
    ]
    strangers = _strangers({one for *_, numbers in found for one in numbers}, keys, delivered_on)
    kept = [(number, cells) for number, cells, numbers in found if not numbers & strangers]
    if not kept:
        return
    key = _key_for(session, keys, delivery_id, layout)
    session.execute(insert(ReturnedRow), [
        {
            "delivery_id": delivery_id,
            "row_number": number,
            "cells_sealed": seal(
                key, _packed(cells), context=returned_context(delivery_id, number)
            ),
        }
        for number, cells in kept
    ])


def _strangers(id_numbers: set[str], keys: KeyProvider, on: date) -> set[str]:
    """Those of whom no row is kept: no members on a day."""
    people = find_citizens_by_id_numbers(keys=keys, id_numbers=id_numbers)
    return id_numbers - {number for number, one in people.items() if one.joined_on <= on}


def open_returned(*, keys: KeyProvider, delivery_id: UUID, after_row: int = 0) -> Returned:
    """The refused rows of a delivery below a row, while they are kept; RefusedRowsGone otherwise.

    ROWS_MAX at most, and how many are left.
    """
    with reading() as session:
        found = session.scalar(
            select(DeliveryReturn).where(
                DeliveryReturn.delivery_id == delivery_id,
                DeliveryReturn.created_at > func.now() - KEPT,
            )
        )
        if found is None:
            raise RefusedRowsGone
        rows = session.execute(
            select(DeliveryRefusal.row_number, DeliveryRefusal.reason, ReturnedRow.cells_sealed)
            .outerjoin(
                ReturnedRow,
                (ReturnedRow.delivery_id == DeliveryRefusal.delivery_id)
                & (ReturnedRow.row_number == DeliveryRefusal.row_number),
            )
            .where(
                DeliveryRefusal.delivery_id == delivery_id,
                DeliveryRefusal.row_number > after_row,
            )
            .order_by(DeliveryRefusal.row_number).limit(ROWS_MAX)
        ).all()
        last = rows[-1].row_number if rows else after_row
        left = session.execute(
            select(func.count()).where(
                DeliveryRefusal.delivery_id == delivery_id, DeliveryRefusal.row_number > last
            )
        ).scalar_one()
    key = open_wrapped_key(
        keys, KeyPurpose.UPLOAD_WRAP, found.wrapped_key, context=returned_context(delivery_id)
    )

    def opened(sealed: bytes | None, number: int) -> list[str]:
        if sealed is None:
            return []
        return _unpacked(unseal_with(key, sealed, context=returned_context(delivery_id, number)))

    header = opened(found.header_sealed, 0)
    return Returned(header, [
        (row.row_number, row.reason, opened(row.cells_sealed, row.row_number)) for row in rows
    ], left)


def prune_returned() -> int:
    """Delete what has been kept long enough, keys and all; how many deliveries."""
    statement = delete(DeliveryReturn).where(DeliveryReturn.created_at <= func.now() - KEPT)
    with transaction() as session:
        gone = session.scalars(statement.returning(DeliveryReturn.delivery_id)).all()
    return len(gone)


def returned_csv(returned: Returned) -> bytes:
    """The rows as CSV that no spreadsheet program finds a formula in, with a byte order mark."""
    at = returned.header.index("身份证号") if "身份证号" in returned.header else -1
    rows: list[list[object]] = [[*RETURN_COLUMNS, *returned.header]]
    for number, reason, cells in returned.rows:
        # An ID number that was a number has lost digits; as text it could pass for another one.
        marked = [
            f"'{cell}" if place == at and isinstance(cell, NumberCell) else cell
            for place, cell in enumerate(cells)
        ]
        rows.append([number, reason, _told(reason, cells), *marked])
    rows.extend([*line] for line in _more(returned))
    return write_csv(rows).encode()


def returned_xlsx(returned: Returned) -> bytes:
    """The rows as Excel file: texts are text cells whatever they begin with."""
    return write_xlsx(_sheet_rows(returned), sheet_name="退回数据")


def _sheet_rows(returned: Returned) -> Iterator[list[str | float]]:
    yield [*RETURN_COLUMNS, *returned.header]
    for number, reason, cells in returned.rows:
        values = [*map(_value, cells)]
        if not all(fits_xlsx(f"{value}") for value in values):
            # Cut off, it could be sent again and be taken for the whole.
            yield [number, reason, REASON_TEXTS[Reason(reason)] + NOT_IN_EXCEL]
        else:
            yield [number, reason, _told(reason, cells), *values]
    yield from _more(returned)


def _told(reason: str, cells: list[str]) -> str:
    return REASON_TEXTS[Reason(reason)] + ("" if cells else NOT_KEPT)


def _more(returned: Returned) -> Iterator[list[str | float]]:
    """A last line where rows are left; sent again, it is blank."""
    if returned.left_count:
        last = returned.rows[-1][0]
        yield ["", MORE, MORE_TEXT.format(count=returned.left_count, last=last)]


def _value(cell: str) -> str | float:
    number = _number(cell) if isinstance(cell, NumberCell) else None
    if number is not None:
        return number
    return cell if undefused(cell) == cell else f"'{cell}"  # an apostrophe of its own stays


def _number(cell: str) -> float | None:
    try:
        return float(cell) if "." in cell else int(cell)
    except ValueError:  # a time of day
        return None


def _key_for(session: Session, keys: KeyProvider, delivery_id: UUID, layout: Layout) -> Key:
    context = returned_context(delivery_id)
    wrapped = session.scalar(
        select(DeliveryReturn.wrapped_key).where(DeliveryReturn.delivery_id == delivery_id)
    )
    if wrapped is not None:
        return open_wrapped_key(keys, KeyPurpose.UPLOAD_WRAP, wrapped, context=context)
    key, wrapped = new_wrapped_key(keys, KeyPurpose.UPLOAD_WRAP, context=context)
    header = seal(key, _packed(list(layout.header)), context=returned_context(delivery_id, 0))
    session.execute(upsert(DeliveryReturn).values(
        delivery_id=delivery_id, wrapped_key=wrapped, header_sealed=header
    ))
    return key


def _packed(cells: list[str]) -> bytes:
    return orjson.dumps([[isinstance(cell, NumberCell), f"{cell}"] for cell in cells])


def _unpacked(packed: bytes) -> list[str]:
    return [NumberCell(text) if is_number else text for is_number, text in orjson.loads(packed)]


def returned_context(delivery_id: UUID, number: int = -1) -> bytes:
    """The place of a refused row, of the header (0), or of the key of them all."""
    return f"delivery_returns:{delivery_id}:{number}".encode()
