"""The routes of deliveries, of the register, and of the information catalogue.

A department's file is posted to the scoring room, which stands above this one: its points belong to
the same transaction.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from flask import Response, url_for
from werkzeug.datastructures import FileStorage

from app.config import running_settings
from app.kernel.tables import write_csv
from app.members.operations import NewCredential
from app.records import editing, operations, schemas
from app.records.catalogue import REGISTER
from app.records.catalogue_table import catalogue_table
from app.records.queries import DeliveryReport, list_editions, open_edition
from app.records.quotas import Quota, QuotaUse, open_quota, set_quota
from app.records.returning import Returned, returned_csv, returned_xlsx
from app.records.scanning import Scanner
from app.records.uploads import Upload, UploadLimits
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint
from app.web.requests import PAGE_MAX_ROWS, takes_files

FORM_MAX_BYTES = 100_000  # what a form holds beside its file

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE = {"type": "string", "format": "binary"}

blueprint = Blueprint("records", __name__, url_prefix=API_PREFIX)


def upload_max_bytes() -> int:
    """The largest body with a file in it; a declared length above it is refused unread."""
    return running_settings().csv_max_bytes + FORM_MAX_BYTES


def new_upload() -> Upload:
    """Where the file of a form is written: sealed, part by part, never to a disk."""
    largest = UploadLimits(running_settings().csv_max_bytes, running_settings().xlsx_max_bytes)
    return Upload(key_provider(), largest, scanner())


def scanner() -> Scanner | None:
    """What looks at files before they are taken in, where there is one."""
    url = running_settings().clamd_url
    return Scanner(url) if url else None


def answer_report(report: DeliveryReport) -> tuple[DeliveryReport, int, dict[str, str]]:
    """200 with what became of a file, or 202 with the address that will tell it."""
    address = url_for("records.show_delivery", delivery_id=report.delivery_id)
    return (report, 200, {}) if report.is_finished else (report, 202, {"Location": address})


@blueprint.route("/register-imports", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@takes_files(max_bytes=upload_max_bytes, into=new_upload)
@blueprint.arguments(schemas.RegisterForm, location="form")
@blueprint.arguments(schemas.DeliveryFile, location="files")
@blueprint.response(200, schemas.DeliveryReport)
@blueprint.alt_response(202, schema=schemas.DeliveryReport, description="taken by the worker")
def import_register(form: dict[str, Any], files: dict[str, FileStorage]) -> Any:
    """Register people who consented elsewhere; a large file is taken later (202)."""
    file = files["file"]
    upload = cast("Upload", file.stream)
    form["encoding"] = form["encoding"] or upload.found_encoding()
    request = operations.DeliveryRequest(
        record_type=REGISTER,
        file_name=file.filename or "",
        staff_id=caller().subject_id,
        **form,
    )
    report = operations.import_register(
        keys=key_provider(),
        request=request,
        upload=upload,
        at_once_max_bytes=running_settings().at_once_max_bytes,
    )
    return answer_report(report)


@blueprint.route("/deliveries/<uuid:delivery_id>", methods=["GET"])
@allow(Role.SOURCE, Role.OPERATOR)
@blueprint.response(200, schemas.DeliveryReport)
@blueprint.refuses(404)
def show_delivery(delivery_id: UUID) -> DeliveryReport:
    """How far a delivery is and what became of it, for its source and for operators."""
    return operations.open_report(delivery_id=delivery_id, source_id=_source_of_caller())


@blueprint.route("/deliveries/<uuid:delivery_id>/cancellation", methods=["POST"])
@allow(Role.SOURCE, Role.OPERATOR)
@blueprint.response(200, schemas.DeliveryReport)
@blueprint.refuses(404, 409)
def cancel_delivery(delivery_id: UUID) -> DeliveryReport:
    """Stop a delivery at its next chunk; rows that were taken stay and are in the report."""
    return operations.cancel_delivery(delivery_id=delivery_id, source_id=_source_of_caller())


@blueprint.route("/deliveries/<uuid:delivery_id>/refusals", methods=["GET"])
@allow(Role.SOURCE, Role.OPERATOR)
@blueprint.arguments(schemas.RefusalsQuery, location="query")
@blueprint.response(200, schemas.Refusals)
@blueprint.refuses(404)
def list_refusals(page: dict[str, int], delivery_id: UUID) -> dict[str, Any]:
    """The refused rows of a delivery, a page at a time."""
    return {
        "refusals": operations.open_refusals(
            delivery_id=delivery_id, source_id=_source_of_caller(), **page
        )
    }


@blueprint.route("/deliveries/<uuid:delivery_id>/refusals.csv", methods=["GET"])
@allow(Role.SOURCE)
@blueprint.arguments(schemas.RefusedRowsQuery, location="query")
@blueprint.response(200, FILE, content_type=CSV)
@blueprint.refuses(404)
def download_refusals_csv(page: dict[str, int], delivery_id: UUID) -> Response:
    """The refused rows with number and reason, to be mended and sent again; kept for 30 days.

    50,000 rows at most; a last line says how many are left and the `after_row` that gives them.
    """
    return Response(returned_csv(_refused_rows(delivery_id, page)), content_type=CSV)


@blueprint.route("/deliveries/<uuid:delivery_id>/refusals.xlsx", methods=["GET"])
@allow(Role.SOURCE)
@blueprint.arguments(schemas.RefusedRowsQuery, location="query")
@blueprint.response(200, FILE, content_type=XLSX)
@blueprint.refuses(404)
def download_refusals_xlsx(page: dict[str, int], delivery_id: UUID) -> Response:
    """The same as an Excel file; a row with a text that no cell holds says that the CSV has it."""
    return Response(returned_xlsx(_refused_rows(delivery_id, page)), content_type=XLSX)


def _refused_rows(delivery_id: UUID, page: dict[str, int]) -> Returned:
    return operations.open_refused_rows(
        keys=key_provider(), delivery_id=delivery_id, source_id=caller().subject_id, **page
    )


@blueprint.route("/sources", methods=["POST"])
@allow(Role.OPERATOR, signed_in_lately=True)
@blueprint.arguments(schemas.NewSource)
@blueprint.response(201, schemas.SourceCredential)
@blueprint.refuses(409)
def register_source(body: dict[str, Any]) -> NewCredential:
    """Make an account for a department's machine and say what it may deliver."""
    return operations.register_source(keys=key_provider(), **body)


@blueprint.route("/sources/<uuid:source_id>/quota", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.QuotaUse)
@blueprint.refuses(404)
def show_quota(source_id: UUID) -> QuotaUse:
    """How much a source may deliver a day, and what it has used today."""
    return open_quota(source_id=source_id)


@blueprint.route("/sources/<uuid:source_id>/quota", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.Quota)
@blueprint.response(200, schemas.QuotaUse)
@blueprint.refuses(404)
def change_quota(body: dict[str, int], source_id: UUID) -> QuotaUse:
    """Say how much a source may deliver a day, from now on."""
    return set_quota(source_id=source_id, quota=Quota(**body))


@blueprint.route("/reopened-days", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ReopenedDay)
@blueprint.response(204)
def reopen_day(body: dict[str, Any]) -> None:
    """Let deliveries of a past day in again, for a day."""
    operations.reopen_day(staff_id=caller().subject_id, **body)


@blueprint.route("/information-catalogue", methods=["GET"])
@public
@blueprint.arguments(schemas.EditionQuery, location="query")
@blueprint.response(200, schemas.PublishedCatalogue)
@blueprint.refuses(404, 409)
def show_catalogue(query: dict[str, str | None]) -> dict[str, Any]:
    """The information catalogue: which records exist, from whom, on which legal basis."""
    edition = open_edition(version=query["version"])
    return vars(edition.catalogue) | {
        "published_on": edition.published_on,
        "content_hash": edition.content_hash.hex(),
        "record_types": list(edition.catalogue.record_types.values()),
    }


@blueprint.route("/information-catalogue/table", methods=["GET"])
@public
@blueprint.arguments(schemas.EditionQuery, location="query")
@blueprint.response(200, content_type="text/csv", description="A line for each column.")
@blueprint.refuses(404, 409)
def show_catalogue_table(query: dict[str, str | None]) -> Response:
    """The information catalogue as CSV, for spreadsheets."""
    table = write_csv(catalogue_table(open_edition(version=query["version"])))
    return Response(table, content_type="text/csv; charset=utf-8")


@blueprint.route("/information-catalogue/versions", methods=["GET"])
@public
@blueprint.response(200, schemas.CatalogueVersions)
def list_catalogue_versions() -> dict[str, Any]:
    """Every published version of the information catalogue, the first one first."""
    return {
        "versions": [
            vars(edition) | {"content_hash": edition.content_hash.hex()}
            for edition in list_editions()
        ]
    }


@blueprint.route("/catalogue-proposals", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewCatalogueProposal)
@blueprint.response(201, schemas.CatalogueProposal)
@blueprint.refuses(409)
def propose_catalogue(body: dict[str, Any]) -> dict[str, Any]:
    """Propose the next version of the information catalogue, as a whole document."""
    form = body.pop("format")
    made = editing.propose_catalogue(staff_id=caller().subject_id, form=form, **body)
    return _proposal(made)


@blueprint.route("/catalogue-proposals", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.CatalogueProposals)
def list_catalogue_proposals() -> dict[str, Any]:
    """The newest proposals, open or decided."""
    return {"proposals": [_proposal(one) for one in editing.list_proposals(limit=PAGE_MAX_ROWS)]}


@blueprint.route("/catalogue-proposals/<uuid:proposal_id>", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.WholeCatalogueProposal)
@blueprint.refuses(404)
def show_catalogue_proposal(proposal_id: UUID) -> dict[str, Any]:
    """A proposal with its document, for the one who is to confirm it."""
    return _proposal(editing.open_proposal(proposal_id=proposal_id))


@blueprint.route("/catalogue-proposals/<uuid:proposal_id>/confirm", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ChangeReason)
@blueprint.response(200, schemas.CatalogueProposal)
@blueprint.refuses(404, 409)
def confirm_catalogue(body: dict[str, str], proposal_id: UUID) -> dict[str, Any]:
    """Publish what another operator has proposed."""
    return _proposal(
        editing.confirm_catalogue(
            proposal_id=proposal_id, staff_id=caller().subject_id, **body
        )
    )


@blueprint.route("/catalogue-proposals/<uuid:proposal_id>/withdraw", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ChangeReason)
@blueprint.response(200, schemas.CatalogueProposal)
@blueprint.refuses(404, 409)
def withdraw_catalogue(body: dict[str, str], proposal_id: UUID) -> dict[str, Any]:
    """Give up an open proposal."""
    return _proposal(
        editing.withdraw_catalogue(
            proposal_id=proposal_id, staff_id=caller().subject_id, **body
        )
    )


def _proposal(found: editing.Proposal) -> dict[str, Any]:
    return vars(found) | {"content_hash": found.content_hash.hex()}


def _source_of_caller() -> UUID | None:
    """The object rule: a source sees its own deliveries, an operator all."""
    return caller().subject_id if caller().role is Role.SOURCE else None
