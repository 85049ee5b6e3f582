"""Why settlement refuses."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotFound


class SettlementMonthNotOver(Conflict):
    """A month is closed when it is over, and everything of it is written down."""

    code: ClassVar[str] = "settlement_month_not_over"
    title: ClassVar[str] = "The month is not over"
    advice: ClassVar[str] = "本月尚未结束，请在次月一日零时十分以后再关账。"


class SettlementOutOfOrder(Conflict):
    """Months are closed one after the other; `next_month` says which is next."""

    code: ClassVar[str] = "settlement_out_of_order"
    title: ClassVar[str] = "Another month is closed first"
    advice: ClassVar[str] = "请按月份顺序关账。"


class SettlementUndecided(Conflict):
    """So many scans of the month are undecided, and another number was said to be carried over."""

    code: ClassVar[str] = "settlement_undecided"
    title: ClassVar[str] = "Scans of the month are undecided"
    advice: ClassVar[str] = "本月仍有未处理的离线核销，请先处理，或填写结转笔数后再关账。"


class SettlementMonthTaken(Conflict):
    """The closing of this month was confirmed before."""

    code: ClassVar[str] = "settlement_month_taken"
    title: ClassVar[str] = "The closing of this month was confirmed before"
    advice: ClassVar[str] = "该月份已确认关账，请刷新查看。"


class SettlementClosingUnknown(NotFound):
    """Nobody proposed this closing."""

    code: ClassVar[str] = "settlement_closing_unknown"
    title: ClassVar[str] = "There is no such proposal to close a month"
    advice: ClassVar[str] = "没有找到该关账申请。"


class SettlementSheetUnknown(NotFound):
    """The month is not closed, or came to nothing for this merchant."""

    code: ClassVar[str] = "settlement_sheet_unknown"
    title: ClassVar[str] = "There is no closed sheet of this month"
    advice: ClassVar[str] = "该月份没有已关账的结算单。"


class SettlementAnswered(Conflict):
    """The merchant has said another thing about this sheet before."""

    code: ClassVar[str] = "settlement_answered"
    title: ClassVar[str] = "The sheet was answered before"
    advice: ClassVar[str] = "该结算单已答复，不能更改。"


class ReconciliationUnknown(NotFound):
    """That day was not reconciled yet, or it is too long ago."""

    code: ClassVar[str] = "reconciliation_unknown"
    title: ClassVar[str] = "The day is not reconciled"
    advice: ClassVar[str] = "该日尚未对账，或对账结果已超过保存期限。"
