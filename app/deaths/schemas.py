"""The bodies and answers of deaths and of what relatives ask for."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from app.counter.schemas import ID_NUMBER_MAX_CHARS, REASON_MAX_CHARS, TOTP, Holder
from app.deaths import arrangements, words
from app.members.spelling import NAME_MAX_CHARS
from app.objections.schemas import ObjectionAttachment, Reason
from app.records.steps import RECORD_NUMBER_MAX_CHARS
from app.web.openapi import ApiSchema
from app.web.requests import PAGE_MAX_ROWS

PHONE_MAX_CHARS: Final = 32  # typed with blanks, perhaps
_CODE = validate.Regexp(r"^[a-z][a-z0-9_]{1,39}\Z")
_MAYBE: dict[str, Any] = {"required": True, "allow_none": True}


def _id_number() -> fields.String:
    return fields.String(required=True, validate=validate.Length(1, ID_NUMBER_MAX_CHARS))


def _name() -> fields.String:
    return fields.String(required=True, validate=validate.Length(1, NAME_MAX_CHARS))


class NamedPerson(ApiSchema):
    """Somebody by name and identity number; masked in answers."""

    name = _name()
    id_number = _id_number()


class NewArrangement(ApiSchema):
    """What holds after the caller's death; persons with `named` alone."""

    choice = fields.String(
        required=True, validate=validate.OneOf(arrangements.CHOICES),
        metadata={
            "description": "`law`: near relatives, as the law says; `nobody`; `named`: these alone."
        },
    )  # fmt: skip
    persons = fields.List(
        fields.Nested(NamedPerson), load_default=list,
        validate=validate.Length(max=arrangements.NAMED_MAX),
    )

    @validates_schema
    def require_persons(self, data: dict[str, Any], **_: Any) -> None:
        """Persons are named where that is the choice."""
        if (data.get("choice") == arrangements.NAMED) != bool(data.get("persons")):
            message = "persons are given with the choice named, and with no other"
            raise ValidationError(message)


class Arrangement(ApiSchema):
    """What holds after the caller's death."""

    choice = fields.String(required=True)
    persons = fields.List(fields.Nested(NamedPerson), required=True)
    arranged_at = fields.AwareDateTime(**_MAYBE)


class NewDeathReport(Holder):
    """A death, of the person whose identity card was handed in."""

    report_id = fields.UUID(required=True)
    died_on = fields.Date(required=True)
    evidence = fields.String(required=True, validate=validate.OneOf(words.EVIDENCE))


class ReportPage(ApiSchema):
    """Which reports, the oldest first."""

    state = fields.String(
        load_default="reported", validate=validate.OneOf(("reported", "confirmed"))
    )
    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))


class ApplicationPage(ApiSchema):
    """The undecided ones, the oldest first."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX_ROWS))


class DeathReportLine(ApiSchema):
    """A report in a list."""

    report_id = fields.UUID(required=True)
    state = fields.String(
        required=True,
        metadata={"description": "`reported`, `confirmed`, `refused`, `reversed`, `ended`."},
    )
    evidence = fields.String(required=True)
    reported_at = fields.AwareDateTime(required=True)
    decided_at = fields.AwareDateTime(**_MAYBE)
    reversible_until_on = fields.Date(
        **_MAYBE, metadata={"description": "Before this day nothing is deleted."}
    )
    final_on = fields.Date(
        **_MAYBE, metadata={"description": "When all is deleted, unless an application is open."}
    )
    ended_at = fields.AwareDateTime(**_MAYBE)


class DeathReportLines(ApiSchema):
    """Reports."""

    reports = fields.List(fields.Nested(DeathReportLine), required=True)


class RelativeApplicationLine(ApiSchema):
    """An application in a list."""

    application_id = fields.UUID(required=True)
    report_id = fields.UUID(required=True)
    relation = fields.String(required=True)
    wish = fields.String(required=True)
    state = fields.String(
        required=True, metadata={"description": "`open`, `proposed`, `decided`."}
    )
    outcome = fields.String(
        **_MAYBE, metadata={"description": "`granted`, `rejected`; `moot`: the person lives."}
    )
    created_at = fields.AwareDateTime(required=True)
    decided_at = fields.AwareDateTime(**_MAYBE)


class RelativeApplicationLines(ApiSchema):
    """Applications."""

    applications = fields.List(fields.Nested(RelativeApplicationLine), required=True)


class DeathReport(ApiSchema):
    """A report with what a second person looks at; name and number are masked."""

    line = fields.Nested(DeathReportLine, required=True)
    name = fields.String(required=True)
    id_number = fields.String(required=True)
    died_on = fields.Date(required=True)
    reported_by = fields.String(**_MAYBE)
    decided_by = fields.String(**_MAYBE)
    papers = fields.List(fields.Nested(ObjectionAttachment), required=True)
    applications = fields.List(fields.Nested(RelativeApplicationLine), required=True)


class PaperForm(ApiSchema):
    """The id of the file, made by the sender; the application if it belongs to one."""

    paper_id = fields.UUID(required=True)
    application_id = fields.UUID()


class Decision(ApiSchema):
    """The second person's word, with a fresh code of their own."""

    is_confirmed = fields.Boolean(required=True)
    totp = fields.String(required=True, load_only=True, validate=TOTP)


class NewRelativeApplication(ApiSchema):
    """Who stands at the counter, whose relative they are, what they ask for and why."""

    application_id = fields.UUID(required=True)
    report_id = fields.UUID(required=True)
    relation = fields.String(
        required=True, validate=validate.OneOf(words.RELATIONS),
        metadata={"description": "`named`: no relative, but named by the person in life."},
    )  # fmt: skip
    wish = fields.String(required=True, validate=validate.OneOf(words.WISHES))
    name = _name()
    id_number = _id_number()
    phone = fields.String(validate=validate.Length(1, PHONE_MAX_CHARS))
    interest = fields.String(
        required=True, validate=validate.Length(1, words.TEXT_MAX_CHARS),
        metadata={"description": "The lawful interest of their own, in their words."},
    )
    record_type = fields.String(validate=_CODE)
    record_number = fields.String(validate=validate.Length(1, RECORD_NUMBER_MAX_CHARS))
    reason = fields.String(required=True, validate=validate.Length(max=REASON_MAX_CHARS))
    totp = fields.String(required=True, load_only=True, validate=TOTP)

    @validates_schema
    def require_record(self, data: dict[str, Any], **_: Any) -> None:
        """A correction names its record, and nothing else does."""
        given = {name for name in ("record_type", "record_number") if name in data}
        wanted = {"record_type", "record_number"} if data.get("wish") == "correction" else set()
        if given != wanted:
            message = "a correction names record_type and record_number, nothing else does"
            raise ValidationError(message)


class Relative(ApiSchema):
    """Who asks."""

    name = fields.String(required=True)
    id_number = fields.String(required=True)
    phone = fields.String(**_MAYBE)


class RelativeApplication(ApiSchema):
    """An application with everything in it."""

    line = fields.Nested(RelativeApplicationLine, required=True)
    relative = fields.Nested(Relative, required=True)
    interest = fields.String(required=True)
    record_type = fields.String(**_MAYBE)
    record_number = fields.String(**_MAYBE)
    reasons = fields.String(**_MAYBE)
    proposed_by = fields.String(**_MAYBE)
    confirmed_by = fields.String(**_MAYBE)
    papers = fields.List(fields.Nested(ObjectionAttachment), required=True)


class NewRelativeDecision(ApiSchema):
    """What is proposed, and why: read out to the relative."""

    outcome = fields.String(required=True, validate=validate.OneOf(words.OUTCOMES))
    reasons = fields.String(required=True, validate=validate.Length(1, words.TEXT_MAX_CHARS))


class CopyHandover(Reason):
    """For the relative at the counter, with a fresh code of the operator's own."""

    totp = fields.String(required=True, load_only=True, validate=TOTP)
