"""The routes of scheme versions: proposing, noticing, trying, confirming; and what is public."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app.config import running_settings
from app.scoring import comments, dry_runs, version_schemas, versions
from app.scoring.charts import PAGE_POLICY, figures_csv, figures_page
from app.scoring.version_queries import (
    DryRun,
    SchemeState,
    VersionName,
    list_dry_runs,
    list_versions,
)
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("scheme_versions", __name__, url_prefix=API_PREFIX)


@blueprint.route("/schemes", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, version_schemas.SchemeVersions)
def list_schemes() -> dict[str, Any]:
    """The published versions of the rules: proposed, announced, in force, past, withdrawn."""
    return {"schemes": [_shown(one) for one in list_versions() if one.is_public]}


@blueprint.route("/schemes/<string:code>/<string:version>", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, version_schemas.SchemeDocument)
@blueprint.refuses(404)
def show_scheme_version(code: str, version: str) -> dict[str, Any]:
    """A published version: its text, hash, notice and date."""
    return _shown(versions.show_version(name=VersionName(code, version), public=True))


@blueprint.route("/schemes", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(version_schemas.NewScheme)
@blueprint.response(201, version_schemas.Proposal)
@blueprint.refuses(409)
def propose_scheme(body: dict[str, Any]) -> dict[str, Any]:
    """Propose a version as a draft; another operator confirms it later."""
    made = versions.propose_scheme(
        operator_id=caller().subject_id, notice_days=running_settings().scheme_notice_days, **body
    )
    return _shown(made)


@blueprint.route("/scheme-proposals", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, version_schemas.Proposals)
def show_proposals() -> dict[str, Any]:
    """Every version, drafts too."""
    return {"proposals": [_shown(one) for one in list_versions()]}


@blueprint.route("/scheme-proposals/<string:code>/<string:version>", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, version_schemas.ProposalWithRuns)
@blueprint.refuses(404)
def show_proposal(code: str, version: str) -> dict[str, Any]:
    """A version with its dry runs, and how many comments there are."""
    name = VersionName(code, version)
    return _shown(versions.show_version(name=name)) | {
        "dry_runs": list_dry_runs(name=name), "comment_count": comments.count_comments(name=name),
    }


@blueprint.route("/scheme-proposals/<string:code>/<string:version>/comments", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(version_schemas.CommentsQuery, location="query")
@blueprint.response(200, version_schemas.Comments)
@blueprint.refuses(404)
def list_comments(query: dict[str, Any], code: str, version: str) -> dict[str, Any]:
    """What citizens say about a version, without who says it."""
    return {"comments": comments.list_comments(name=VersionName(code, version), **query)}


@blueprint.route("/schemes/<string:code>/<string:version>/comments", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("5/hour")
@blueprint.arguments(version_schemas.NewComment)
@blueprint.response(201, version_schemas.Comment)
@blueprint.refuses(404, 409)
def comment(body: dict[str, Any], code: str, version: str) -> comments.Comment:
    """Say something about rules under public notice; who says it is not kept."""
    return comments.comment(
        name=VersionName(code, version), comment_id=body["comment_id"], text=body["comment"]
    )


@blueprint.route("/schemes/<string:code>/<string:version>/notice", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(version_schemas.NewNotice)
@blueprint.response(200, version_schemas.Proposal)
@blueprint.refuses(404, 409)
def publish_notice(body: dict[str, Any], code: str, version: str) -> dict[str, Any]:
    """Tell everybody what a draft would change; it is public from now on."""
    told = versions.publish_notice(
        name=VersionName(code, version), operator_id=caller().subject_id,
        notice_days=running_settings().scheme_notice_days, **body,
    )
    return _shown(told)


@blueprint.route("/schemes/<string:code>/<string:version>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(version_schemas.Confirmation)
@blueprint.response(200, version_schemas.Proposal)
@blueprint.refuses(404, 409)
def confirm_scheme(body: dict[str, Any], code: str, version: str) -> dict[str, Any]:
    """Confirm what another operator proposed; it applies by itself from its date on."""
    confirmed = versions.confirm_scheme(
        name=VersionName(code, version), operator_id=caller().subject_id,
        notice_days=running_settings().scheme_notice_days, **body,
    )
    return _shown(confirmed)


@blueprint.route("/schemes/<string:code>/<string:version>/withdrawal", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(version_schemas.Reason)
@blueprint.response(200, version_schemas.Proposal)
@blueprint.refuses(404, 409)
def withdraw_scheme(body: dict[str, Any], code: str, version: str) -> dict[str, Any]:
    """Give a draft up."""
    withdrawn = versions.withdraw_scheme(
        name=VersionName(code, version), operator_id=caller().subject_id, **body
    )
    return _shown(withdrawn)


@blueprint.route("/schemes/<string:code>/<string:version>/dry-runs", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("20/hour")
@blueprint.arguments(version_schemas.NewDryRun)
@blueprint.response(202, version_schemas.DryRun)
@blueprint.refuses(404, 409)
def request_dry_run(body: dict[str, Any], code: str, version: str) -> DryRun:
    """Ask for a dry run of a draft on everybody; a worker carries it out."""
    return dry_runs.request_dry_run(
        name=VersionName(code, version), operator_id=caller().subject_id, **body
    )


@blueprint.route("/scheme-dry-runs/<uuid:dry_run_id>", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, version_schemas.DryRun)
@blueprint.refuses(404)
def show_dry_run(dry_run_id: UUID) -> DryRun:
    """How far a dry run is, and its figures when it is done."""
    return dry_runs.show_dry_run(dry_run_id=dry_run_id)


@blueprint.route("/scheme-dry-runs/<uuid:dry_run_id>/page", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, content_type="text/html", description="A page with charts.")
@blueprint.refuses(404)
def show_dry_run_page(dry_run_id: UUID) -> Response:
    """The figures of a dry run as a page with charts, whole in itself."""
    page = figures_page(dry_runs.show_dry_run(dry_run_id=dry_run_id))
    return Response(
        page, content_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY}
    )


@blueprint.route("/scheme-dry-runs/<uuid:dry_run_id>/figures.csv", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, content_type="text/csv", description="The figures, for spreadsheets.")
@blueprint.refuses(404)
def read_dry_run_csv(dry_run_id: UUID) -> Response:
    """The figures of a dry run as CSV; a hidden cell is an asterisk."""
    found = dry_runs.show_dry_run(dry_run_id=dry_run_id)
    return Response(
        figures_csv(found), content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="figures.csv"'},
    )


def _shown(state: SchemeState) -> dict[str, Any]:
    return vars(state) | {"content_hash": state.content_hash.hex()}
