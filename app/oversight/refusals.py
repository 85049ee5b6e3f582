"""What is refused about incidents."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, Invalid, NotFound


class IncidentUnknown(NotFound):
    """There is no such incident."""

    code: ClassVar[str] = "incident_unknown"
    title: ClassVar[str] = "There is no such incident"
    advice: ClassVar[str] = "没有找到该事件，请核对编号。"


class IncidentTimesUnfit(Invalid):
    """Data were seen from one moment to a later one, and it was found out afterwards."""

    code: ClassVar[str] = "incident_times_unfit"
    title: ClassVar[str] = "The times of the incident do not fit"
    advice: ClassVar[str] = "请检查起止时间与发现时间：起早于止，均不晚于现在。"


class IncidentNotCounted(Conflict):
    """The people are not listed yet."""

    code: ClassVar[str] = "incident_not_counted"
    title: ClassVar[str] = "The people concerned are not listed yet"
    advice: ClassVar[str] = "受影响人员尚未清点完毕，请稍后再试。"
