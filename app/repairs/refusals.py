"""Why something about a credit repair is refused."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotFound


class AdverseRecordUnknown(NotFound):
    """The citizen has no such adverse record, or it has ended."""

    code: ClassVar[str] = "adverse_record_unknown"
    title: ClassVar[str] = "There is no such adverse record"
    advice: ClassVar[str] = "没有找到该条不良记录，或该记录已终止，无需修复。"


class RepairTooEarly(Conflict):
    """The least time has not passed; the details say from when on one may apply."""

    code: ClassVar[str] = "repair_too_early"
    title: ClassVar[str] = "It is too early for a repair of this record"
    advice: ClassVar[str] = "未满最短公示期，暂不能申请修复，请在所示日期后申请。"


class RepairPending(Conflict):
    """An application about the same record is open."""

    code: ClassVar[str] = "repair_pending"
    title: ClassVar[str] = "An application about this record is open"
    advice: ClassVar[str] = "该记录的修复申请正在办理，无需重复提交。"


class RepairUnknown(NotFound):
    """There is no such application for this caller."""

    code: ClassVar[str] = "repair_unknown"
    title: ClassVar[str] = "There is no such application for repair"
    advice: ClassVar[str] = "没有找到该修复申请，请核对编号。"


class RepairDecided(Conflict):
    """The application is decided."""

    code: ClassVar[str] = "repair_decided"
    title: ClassVar[str] = "The application is decided"
    advice: ClassVar[str] = "该修复申请已办结，不能更改。"
