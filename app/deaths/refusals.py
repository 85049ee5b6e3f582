"""Why something about a death, or an application of a relative, is refused."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, Invalid, NotAllowed, NotFound


class DeathReportUnknown(NotFound):
    """There is no such report."""

    code: ClassVar[str] = "death_report_unknown"
    title: ClassVar[str] = "There is no such report of a death"
    advice: ClassVar[str] = "没有找到该死亡登记，请核对编号。"


class DeathNotReported(NotFound):
    """The person at the counter is not reported dead."""

    code: ClassVar[str] = "death_not_reported"
    title: ClassVar[str] = "No death of this person is reported"
    advice: ClassVar[str] = "该市民没有待更正的死亡登记。"


class DeathReportPending(Conflict):
    """The death of this person was reported before."""

    code: ClassVar[str] = "death_report_pending"
    title: ClassVar[str] = "The death of this person was reported before"
    advice: ClassVar[str] = "该市民已有死亡登记，无需重复登记，请在原登记中办理。"


class DeathReportDecided(Conflict):
    """The report was confirmed, refused, reversed or has ended."""

    code: ClassVar[str] = "death_report_decided"
    title: ClassVar[str] = "The report is decided"
    advice: ClassVar[str] = "该死亡登记已办结，不能再更改。"


class DeathDayAhead(Invalid):
    """The day of the death is still to come."""

    code: ClassVar[str] = "death_day_ahead"
    title: ClassVar[str] = "The day of the death is still to come"
    advice: ClassVar[str] = "死亡日期不能晚于今天，请核对证明后重新填写。"


class DeathEvidenceMissing(Conflict):
    """No paper is there that a second person could look at."""

    code: ClassVar[str] = "death_evidence_missing"
    title: ClassVar[str] = "No paper proves what is to be decided"
    advice: ClassVar[str] = "请先上传证明材料，再提交审核。"


class DeathUnconfirmed(Conflict):
    """Relatives are heard about a death that two persons have confirmed, until it has ended."""

    code: ClassVar[str] = "death_unconfirmed"
    title: ClassVar[str] = "The death is not confirmed, or what was kept is deleted"
    advice: ClassVar[str] = "该死亡登记尚未确认或已办结，暂不能受理近亲属申请。"


class DeathPaperUnknown(NotFound):
    """The report has no such paper."""

    code: ClassVar[str] = "death_paper_unknown"
    title: ClassVar[str] = "There is no such paper"
    advice: ClassVar[str] = "没有找到该证明材料。"


class DeathPapersTooMany(Conflict):
    """There are as many papers as there may be."""

    code: ClassVar[str] = "death_papers_too_many"
    title: ClassVar[str] = "There are too many papers"
    advice: ClassVar[str] = "每件登记或申请最多上传 5 份材料。"


class RelativeApplicationUnknown(NotFound):
    """There is no such application."""

    code: ClassVar[str] = "relative_application_unknown"
    title: ClassVar[str] = "There is no such application of a relative"
    advice: ClassVar[str] = "没有找到该近亲属申请，请核对编号。"


class RelativeApplicationsTooMany(Conflict):
    """About one person there are as many open applications as there may be."""

    code: ClassVar[str] = "relative_applications_too_many"
    title: ClassVar[str] = "There are too many open applications"
    advice: ClassVar[str] = "正在处理的近亲属申请已达上限，请等待办结后再提交。"


class RelativeApplicationDecided(Conflict):
    """The application is decided, or waits for a second person's word."""

    code: ClassVar[str] = "relative_application_decided"
    title: ClassVar[str] = "The application is decided"
    advice: ClassVar[str] = "该申请已提出处理意见或已办结，不能再更改。"


class RelativeApplicationUnproposed(Conflict):
    """No decision waits for a second person."""

    code: ClassVar[str] = "relative_application_unproposed"
    title: ClassVar[str] = "No decision waits for a second person"
    advice: ClassVar[str] = "该申请没有待复核的处理意见。"


class ArrangedOtherwise(NotAllowed):
    """In life the person arranged that somebody else may ask, or nobody."""

    code: ClassVar[str] = "arranged_otherwise"
    title: ClassVar[str] = "The person arranged otherwise in life"
    advice: ClassVar[str] = "本人生前另有安排，不能同意该申请，请告知申请人。"


class RelativeCopyNotGranted(Conflict):
    """No copy was granted by this application, or the one that was is taken."""

    code: ClassVar[str] = "relative_copy_not_granted"
    title: ClassVar[str] = "The application grants no copy"
    advice: ClassVar[str] = "该申请未获准取得副本，或副本已领取。"
