"""The figures of the city: what the national monitor of city credit work asks, from the data.

A room publishes a view; a figure is one entry of `INDICATORS` and nothing else changes.  Its
statement gives rows of item, moment and value; those between two days are put together by month
and item.  No figure names a person or a group of a few people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, DateTime, Text, column, distinct, func, select, text

from app.kernel.clock import city_today
from app.kernel.database import reading
from app.oversight.operations import require_days
from app.oversight.served import SERVED, moments
from app.scoring.protection import LEAST

Aggregate = Callable[[ColumnElement[Any]], ColumnElement[Any]]


def _count(_: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.count()


def _people(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.count(distinct(value))


def _median(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.percentile_disc(0.5).within_group(value)


@dataclass(frozen=True)
class Indicator:
    """A figure: its code, its name and definition in Chinese, and where it comes from.

    `source` gives `item`, `at` and `value`; `how` makes one value of a month's rows; with `least`,
    a value of fewer different people is not told.
    """

    code: str
    name: str
    definition: str
    source: str
    how: Aggregate = _count
    least: int = 0


@dataclass(frozen=True)
class Figure:
    """The value of an indicator in a month, for an item of its own or for all (empty).

    None where it is about fewer than ten people.
    """

    code: str
    month: str
    item: str
    value: int | None


_USES: Final = f"""
    SELECT u.benefit AS item, u.served_at AS at, u.citizen_id AS value FROM ({SERVED}) u
"""
_COMPLAINTS: Final = "SELECT '' AS item, c.received_at AS at, 1 AS value FROM complaint_times c"
_ANSWERED_IN_TIME: Final = """
    SELECT '' AS item, c.received_at AS at, 1 AS value FROM complaint_times c
    WHERE (c.answered_at AT TIME ZONE 'Asia/Shanghai')::date <= c.due_on
"""
_ANSWER_DAYS: Final = """
    SELECT '' AS item, c.received_at AS at,
        (c.answered_at AT TIME ZONE 'Asia/Shanghai')::date
            - (c.received_at AT TIME ZONE 'Asia/Shanghai')::date AS value
    FROM complaint_times c WHERE c.answered_at IS NOT NULL
"""
_REPAIRS: Final = """
    SELECT '' AS item, r.repaired_at AS at, r.shown_days AS value FROM merchant_repairs r
"""
_OUTCOMES: Final = """
    SELECT o.outcome AS item, o.created_at AS at, o.row_count AS value FROM record_outcomes o
"""
_BAD_SCANS: Final = """
    SELECT s.reason AS item, s.scanned_at AS at, 1 AS value FROM redemption_bad_scans s
"""
_SIGN_INS: Final = "SELECT 'staff' AS item, s.refused_at AS at, 1 AS value FROM refused_sign_ins s"

INDICATORS: Final = (
    Indicator(
        "served_uses", "信易+ 服务次数",
        "当月核销、开始的订单、享受折扣的乘车、免押登记的次数，按权益；不足 10 人的不展示",
        _USES, least=LEAST,
    ),
    Indicator(
        "served_people", "信易+ 服务人数", "当月至少使用一次的会员人数，按权益；不足 10 人的不展示",
        _USES, _people, LEAST,
    ),
    Indicator("complaints_received", "收到投诉数", "当月收到的核销投诉件数", _COMPLAINTS),
    Indicator(
        "complaints_in_time", "按时答复投诉数", "当月收到、商户在期限内答复的投诉件数",
        _ANSWERED_IN_TIME,
    ),
    Indicator(
        "complaint_days", "投诉答复天数（中位数）", "当月收到并已答复的投诉，从收到到答复的自然日",
        _ANSWER_DAYS, _median,
    ),
    Indicator("repairs", "信用修复件数", "当月完成的市场主体信用修复件数", _REPAIRS),
    Indicator(
        "repair_days", "修复时已公示天数（中位数）", "当月完成的修复，从开始公示到修复的天数",
        _REPAIRS, _median,
    ),
    Indicator(
        "rows_by_outcome", "归集处理结果",
        "当月报送的行数：accepted 入库，no_member 非会员未保存，其余为退回原因，file_ 为整份退回",
        _OUTCOMES, func.sum,
    ),
    Indicator(
        "codes_refused", "拒绝的二维码", "当月无法识别而拒绝的扫码次数，按原因（记录保存半年）",
        _BAD_SCANS,
    ),
    Indicator(
        "sign_ins_refused", "工作人员登录失败", "登录失败次数（记录只保存一天，请每日导出）",
        _SIGN_INS,
    ),
)


def read_figures(*, from_on: date, to_on: date) -> list[Figure]:
    """Every figure from one day to another, both included, by indicator, month and item.

    A month at either end counts the days asked for alone.  ReportDaysUnfit.
    """
    with reading() as session:
        require_days(from_on=from_on, to_on=to_on, today=city_today(session))
    return [
        figure for one in INDICATORS for figure in _figures(one, from_on=from_on, to_on=to_on)
    ]


def _figures(one: Indicator, *, from_on: date, to_on: date) -> Iterable[Figure]:
    from_at, until_at = moments(from_on, to_on)
    r = text(one.source).columns(
        column("item", Text()), column("at", DateTime(timezone=True)), column("value")
    ).subquery("r").c
    month = func.to_char(func.timezone("Asia/Shanghai", r.at), "YYYY-MM")
    query = (
        select(month, r.item, one.how(r.value), _people(r.value))
        .where(r.at >= from_at, r.at < until_at)
        .group_by(month, r.item).order_by(month, r.item)
    )
    with reading() as session:
        rows = session.execute(query).all()
    for of_month, item, value, different in rows:
        yield Figure(one.code, of_month, item, int(value) if different >= one.least else None)
