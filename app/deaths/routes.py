"""What citizens arrange for afterwards; deaths and what relatives ask for, at the counter."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from werkzeug.datastructures import FileStorage

from app.config import running_settings
from app.counter.presence import Present
from app.counter.schemas import Holder
from app.deaths import arrangements, operations, papers, queries, relatives, schemas
from app.deaths.terms import Terms
from app.objections.attachments import MAX_BYTES
from app.objections.queries import Attachment
from app.objections.routes import BYTES, FORM_MAX_BYTES, answer_file
from app.objections.schemas import AttachmentFile, ObjectionAttachment, Reason
from app.records.routes import FILE, scanner
from app.rights.copies import Ticket
from app.rights.schemas import CopyTicket
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint
from app.web.requests import takes_files

blueprint = Blueprint("deaths", __name__, url_prefix=API_PREFIX)


def terms() -> Terms:
    """The terms as they are configured."""
    settings = running_settings()
    return Terms(
        kept_days=settings.death_kept_days, reversible_days=settings.death_reversible_days
    )


@blueprint.route("/me/death-arrangement", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Arrangement)
def show_arrangement() -> arrangements.Arrangement:
    """Who may ask about the caller after the caller's death, as it stands."""
    return arrangements.show_arrangement(keys=key_provider(), citizen_id=caller().subject_id)


@blueprint.route("/me/death-arrangement", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/hour")
@blueprint.arguments(schemas.NewArrangement)
@blueprint.response(200, schemas.Arrangement)
def arrange(body: dict[str, Any]) -> arrangements.Arrangement:
    """Say who may ask about the caller after the caller's death; the last word counts."""
    named = [arrangements.Named(**one) for one in body.pop("persons")]
    return arrangements.arrange(
        keys=key_provider(), citizen_id=caller().subject_id, persons=named, **body
    )


@blueprint.route("/death-reports", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.NewDeathReport)
@blueprint.response(201, schemas.DeathReportLine)
@blueprint.refuses(404, 409)
def report_death(body: dict[str, Any]) -> queries.ReportLine:
    """Report the death of a member; nothing ends before a second operator has confirmed it."""
    death = operations.Death(body.pop("died_on"), body.pop("evidence"))
    report_id = body.pop("report_id")
    return operations.report_death(
        keys=key_provider(), operator_id=caller().subject_id, report_id=report_id, death=death,
        person=Present(**body),
    )


@blueprint.route("/death-reports", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ReportPage, location="query")
@blueprint.response(200, schemas.DeathReportLines)
def list_reports(page: dict[str, Any]) -> dict[str, Any]:
    """The reports that wait for a second person, or those that stand."""
    return {"reports": queries.list_reports(**page)}


@blueprint.route("/death-reports/<uuid:report_id>/reading", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(Reason)
@blueprint.response(200, schemas.DeathReport)
@blueprint.refuses(404)
def read_report(body: dict[str, str], report_id: UUID) -> queries.WholeReport:
    """All of a report, for a reason that stays in the trail."""
    return operations.open_report(
        keys=key_provider(), operator_id=caller().subject_id, report_id=report_id, **body
    )


@blueprint.route("/death-reports/<uuid:report_id>/papers", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@takes_files(max_bytes=lambda: MAX_BYTES + FORM_MAX_BYTES)
@blueprint.arguments(schemas.PaperForm, location="form")
@blueprint.arguments(AttachmentFile, location="files")
@blueprint.response(201, ObjectionAttachment)
@blueprint.refuses(404, 409)
def add_paper(
    form: dict[str, Any], files: dict[str, FileStorage], report_id: UUID
) -> Attachment:
    """Add a JPEG, PNG or PDF to a report, or to an application about it."""
    return papers.add_paper(
        keys=key_provider(), scanner=scanner(), operator_id=caller().subject_id,
        report_id=report_id, content=files["file"].read(), **form,
    )


@blueprint.route(
    "/death-reports/<uuid:report_id>/papers/<uuid:paper_id>/reading", methods=["POST"]
)
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(Reason)
@blueprint.response(200, FILE, content_type=BYTES)
@blueprint.refuses(404)
def read_paper(body: dict[str, str], report_id: UUID, paper_id: UUID) -> Response:
    """A paper, for a reason that stays in the trail."""
    return answer_file(papers.open_paper(
        keys=key_provider(), operator_id=caller().subject_id, report_id=report_id,
        paper_id=paper_id, **body,
    ))


@blueprint.route("/death-reports/<uuid:report_id>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Decision)
@blueprint.response(200, schemas.DeathReportLine)
@blueprint.refuses(404, 409)
def decide_report(body: dict[str, Any], report_id: UUID) -> queries.ReportLine:
    """The second operator's word: confirmed, the membership rests at once."""
    return operations.decide_report(
        keys=key_provider(), terms=terms(), operator_id=caller().subject_id, report_id=report_id,
        **body,
    )


@blueprint.route("/death-reports/reversals", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(Holder)
@blueprint.response(200, schemas.DeathReportLine)
@blueprint.refuses(404)
def reverse_report(body: dict[str, Any]) -> queries.ReportLine:
    """The person lives and stands at the counter: everything goes on as it was."""
    return operations.reverse_report(
        keys=key_provider(), operator_id=caller().subject_id, person=Present(**body)
    )


@blueprint.route("/relative-applications", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.NewRelativeApplication)
@blueprint.response(201, schemas.RelativeApplicationLine)
@blueprint.refuses(404, 409)
def apply_as_relative(body: dict[str, Any]) -> queries.ApplicationLine:
    """Take in what a relative at the counter asks for."""
    apart = {
        name: body.pop(name) for name in ("application_id", "report_id", "reason", "totp")
    }
    return relatives.apply_as_relative(
        keys=key_provider(), operator_id=caller().subject_id,
        application=relatives.Application(**body), **apart,
    )


@blueprint.route("/relative-applications", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ApplicationPage, location="query")
@blueprint.response(200, schemas.RelativeApplicationLines)
def list_applications(page: dict[str, Any]) -> dict[str, Any]:
    """The applications that are not decided."""
    return {"applications": queries.list_applications(**page)}


@blueprint.route("/relative-applications/<uuid:application_id>/reading", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(Reason)
@blueprint.response(200, schemas.RelativeApplication)
@blueprint.refuses(404)
def read_application(body: dict[str, str], application_id: UUID) -> queries.WholeApplication:
    """All of an application, for a reason that stays in the trail."""
    return relatives.open_application(
        keys=key_provider(), operator_id=caller().subject_id, application_id=application_id,
        **body,
    )


@blueprint.route("/relative-applications/<uuid:application_id>/decision", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.NewRelativeDecision)
@blueprint.response(200, schemas.RelativeApplicationLine)
@blueprint.refuses(404, 409)
def propose_decision(body: dict[str, str], application_id: UUID) -> queries.ApplicationLine:
    """Propose to grant or to reject."""
    return relatives.propose_decision(
        keys=key_provider(), operator_id=caller().subject_id, application_id=application_id,
        **body,
    )


@blueprint.route("/relative-applications/<uuid:application_id>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Decision)
@blueprint.response(200, schemas.RelativeApplicationLine)
@blueprint.refuses(404, 409)
def confirm_decision(body: dict[str, Any], application_id: UUID) -> queries.ApplicationLine:
    """The second operator's word on what was proposed."""
    return relatives.confirm_decision(
        keys=key_provider(), terms=terms(), operator_id=caller().subject_id,
        application_id=application_id, **body,
    )


@blueprint.route("/relative-applications/<uuid:application_id>/copy", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.CopyHandover)
@blueprint.response(202, CopyTicket)
@blueprint.refuses(404, 409)
def hand_over_copy(body: dict[str, str], application_id: UUID) -> Ticket:
    """What opens the copy that was granted, to hand over; it is ready within minutes."""
    return relatives.hand_over_copy(
        keys=key_provider(), operator_id=caller().subject_id, application_id=application_id,
        **body,
    )
