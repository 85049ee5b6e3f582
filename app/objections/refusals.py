"""Why something about an objection is refused."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, Invalid, NotAllowed, NotFound


class ObjectionUnknown(NotFound):
    """There is no such objection for this caller."""

    code: ClassVar[str] = "objection_unknown"
    title: ClassVar[str] = "There is no such objection"
    advice: ClassVar[str] = "没有找到该异议申请，请核对编号。"


class ObjectionItemUnknown(NotFound):
    """The citizen has nothing of the kind under this name."""

    code: ClassVar[str] = "objection_item_unknown"
    title: ClassVar[str] = "There is nothing of this kind to object to"
    advice: ClassVar[str] = "没有找到您要提出异议的内容，请从明细中选择后再提交。"


class ObjectionPending(Conflict):
    """An objection to the same item is open; more can be said by attachments to it."""

    code: ClassVar[str] = "objection_pending"
    title: ClassVar[str] = "An objection to this item is open"
    advice: ClassVar[str] = "该内容的异议正在处理，可在原申请中补充材料，无需重复提交。"


class ObjectionsTooMany(Conflict):
    """The citizen has as many open objections as one may have."""

    code: ClassVar[str] = "objections_too_many"
    title: ClassVar[str] = "There are too many open objections"
    advice: ClassVar[str] = "您正在处理的异议已达上限，请等待办结后再提交。"


class ObjectionDecided(Conflict):
    """The objection is decided; nothing is added to it any more."""

    code: ClassVar[str] = "objection_decided"
    title: ClassVar[str] = "The objection is decided"
    advice: ClassVar[str] = "该异议已办结，不能再补充或更改。"


class ObjectionAnswered(Conflict):
    """The source has answered, and an answer stands."""

    code: ClassVar[str] = "objection_answered"
    title: ClassVar[str] = "The source has answered before"
    advice: ClassVar[str] = "本单位已答复该异议，不能更改，如有误请联系平台管理员。"


class ExtensionRefused(Conflict):
    """The term of the source is over, or was made longer before."""

    code: ClassVar[str] = "objection_extension_refused"
    title: ClassVar[str] = "The term cannot be made longer"
    advice: ClassVar[str] = "答复期限已过或已延长过一次，不能再延长，请尽快答复。"


class SourceStillAsked(Conflict):
    """The source may still answer: against the citizen nothing is decided before."""

    code: ClassVar[str] = "objection_source_asked"
    title: ClassVar[str] = "The term of the source still runs"
    advice: ClassVar[str] = "数据来源单位答复期限未到，暂不能驳回异议。"


class RemedyUnfit(Invalid):
    """The remedy does not fit the outcome, or what the objection is about."""

    code: ClassVar[str] = "objection_remedy_unfit"
    title: ClassVar[str] = "The remedy does not fit"
    advice: ClassVar[str] = "处理方式与异议对象或结论不符，请重新选择。"


class CorrectionMissing(Conflict):
    """The source has not delivered a newer version of the record."""

    code: ClassVar[str] = "objection_correction_missing"
    title: ClassVar[str] = "The source has not delivered a correction"
    advice: ClassVar[str] = "来源单位尚未报送更正后的记录，请催报，或由两名工作人员作废该记录。"


class NothingProposed(Conflict):
    """No voiding waits for a second person."""

    code: ClassVar[str] = "objection_not_proposed"
    title: ClassVar[str] = "Nothing waits for a second person"
    advice: ClassVar[str] = "该异议没有待确认的作废建议。"


class OtherPersonNeeded(NotAllowed):
    """Who had no part in the first decision decides: a second look, or on a rejected repair."""

    code: ClassVar[str] = "other_person_needed"
    title: ClassVar[str] = "Another person than the first must have the second look"
    advice: ClassVar[str] = "复核须由未参与首次处理的工作人员办理。"


class DecisionOver(NotAllowed):
    """What belongs to a decided objection is opened by its citizen and by who decided it."""

    code: ClassVar[str] = "objection_not_yours"
    title: ClassVar[str] = "Only who decided a decided objection may open it"
    advice: ClassVar[str] = "该异议已办结，只有经办人员可以查看。"


class SecondLookUnneeded(Conflict):
    """Only what was rejected gets a second look."""

    code: ClassVar[str] = "second_look_unneeded"
    title: ClassVar[str] = "Only a rejected objection gets a second look"
    advice: ClassVar[str] = "只有被驳回的异议可以申请复核。"


class SecondLookLate(Conflict):
    """The term for asking is over; the details say since when."""

    code: ClassVar[str] = "second_look_late"
    title: ClassVar[str] = "The term for asking for a second look is over"
    advice: ClassVar[str] = "申请复核的期限已过，如有新情况请重新提出异议。"


class AttachmentUnknown(NotFound):
    """The objection has no such attachment."""

    code: ClassVar[str] = "attachment_unknown"
    title: ClassVar[str] = "There is no such attachment"
    advice: ClassVar[str] = "没有找到该附件。"


class AttachmentTypeUnknown(Invalid):
    """By its content the file is neither JPEG, PNG nor PDF, whatever its name says."""

    code: ClassVar[str] = "attachment_type_unknown"
    title: ClassVar[str] = "The attachment is neither JPEG, PNG nor PDF"
    advice: ClassVar[str] = "附件只支持 JPEG、PNG 图片或 PDF 文件，请转换后再上传。"


class AttachmentTooLarge(Invalid):
    """The file has more bytes than an attachment may have."""

    code: ClassVar[str] = "attachment_too_large"
    title: ClassVar[str] = "The attachment is too large"
    advice: ClassVar[str] = "单个附件不得超过 5MB，请压缩后再上传。"


class AttachmentsTooMany(Conflict):
    """The objection has as many attachments as one may have."""

    code: ClassVar[str] = "attachments_too_many"
    title: ClassVar[str] = "There are too many attachments"
    advice: ClassVar[str] = "每件异议最多上传 5 个附件。"
