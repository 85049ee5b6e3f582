"""What the ledger refuses, each decided by its SQL functions and stuck to the request's id.

(`id_reused` is not stuck to anything; it belongs to the kernel.)
"""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotFound


class InsufficientPoints(Conflict):
    """Fewer points are available than the request needs."""

    code: ClassVar[str] = "insufficient_points"
    title: ClassVar[str] = "Not enough points"
    advice: ClassVar[str] = "可用积分不足，请积累后再试。"


class InsufficientCredit(Conflict):
    """The guarantee line does not cover the amount."""

    code: ClassVar[str] = "insufficient_credit"
    title: ClassVar[str] = "The guarantee line does not cover the amount"
    advice: ClassVar[str] = "可用担保额度不足，请先归还或改用押金方式。"


class CreditLineInUse(Conflict):
    """More than the new line is held or owed."""

    code: ClassVar[str] = "credit_line_in_use"
    title: ClassVar[str] = "More than the new line is in use"
    advice: ClassVar[str] = "已占用额度高于新额度，请待归还后再调整。"


class HoldNotFound(NotFound):
    """No hold has this id."""

    code: ClassVar[str] = "hold_not_found"
    title: ClassVar[str] = "There is no such hold"
    advice: ClassVar[str] = "没有找到这笔冻结，请核对单号。"


class HoldEnded(Conflict):
    """The hold was posted, voided or has expired before."""

    code: ClassVar[str] = "hold_ended"
    title: ClassVar[str] = "The hold has ended"
    advice: ClassVar[str] = "这笔冻结已经结束，请勿重复操作。"


class HoldExpired(Conflict):
    """The hold's time is over by the database's clock."""

    code: ClassVar[str] = "hold_expired"
    title: ClassVar[str] = "The hold's time is over"
    advice: ClassVar[str] = "这笔冻结已到期，请重新申请。"


class HoldNotDue(Conflict):
    """The hold's time is not over yet by the database's clock."""

    code: ClassVar[str] = "hold_not_due"
    title: ClassVar[str] = "The hold is not due yet"
    advice: ClassVar[str] = "这笔冻结尚未到期，请到期后再操作。"


class AmountTooLarge(Conflict):
    """More is asked for than is held."""

    code: ClassVar[str] = "amount_too_large"
    title: ClassVar[str] = "More than is held"
    advice: ClassVar[str] = "扣减数额超过冻结数额，请核对后重试。"


class TransferNotFound(NotFound):
    """No accepted transfer has this id."""

    code: ClassVar[str] = "transfer_not_found"
    title: ClassVar[str] = "There is no such transfer"
    advice: ClassVar[str] = "没有找到这笔记账，请核对单号。"


class NotReversible(Conflict):
    """Only grants, spends and posts can be reversed."""

    code: ClassVar[str] = "not_reversible"
    title: ClassVar[str] = "This kind of transfer cannot be reversed"
    advice: ClassVar[str] = "这类记账不能冲正，请另行记账更正。"


class AlreadyReversed(Conflict):
    """The transfer was reversed before."""

    code: ClassVar[str] = "already_reversed"
    title: ClassVar[str] = "The transfer was reversed before"
    advice: ClassVar[str] = "这笔记账已经冲正过，请勿重复操作。"


class LotExpired(Conflict):
    """The points would have expired on the day they are granted."""

    code: ClassVar[str] = "lot_expired"
    title: ClassVar[str] = "The points would be expired already"
    advice: ClassVar[str] = "这笔积分在发放之日已过有效期，不再发放。"


class AccountNotFound(NotFound):
    """An account of the transfer does not exist."""

    code: ClassVar[str] = "account_not_found"
    title: ClassVar[str] = "There is no such account"
    advice: ClassVar[str] = "没有找到账户，请核对后重试。"
