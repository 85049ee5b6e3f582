"""Versions of schemes, their dry runs and figures over HTTP."""

from __future__ import annotations

from marshmallow import fields, validate

from app.scoring.comments import LISTED_MAX
from app.scoring.version_queries import RUN_STATES, STATES
from app.web.openapi import ApiSchema

TEXT_MAX_CHARS = 500
NOTICE_MAX_CHARS = 5_000
DOCUMENT_MAX_CHARS = 100_000  # however it is escaped, it fits into the largest body


class Reason(ApiSchema):
    """Why; it stays in the trail."""

    reason = fields.String(required=True, validate=validate.Length(max=TEXT_MAX_CHARS))


class NewScheme(Reason):
    """A version to be proposed."""

    document = fields.String(required=True, validate=validate.Length(max=DOCUMENT_MAX_CHARS))
    assessment_id = fields.UUID(required=True)


class NewNotice(Reason):
    """What everybody is to be told, in plain words."""

    notice = fields.String(required=True, validate=validate.Length(max=NOTICE_MAX_CHARS))


class NewDryRun(Reason):
    """A dry run to be made; the caller makes its id."""

    dry_run_id = fields.UUID(required=True)


class NewComment(ApiSchema):
    """What a citizen says about proposed rules; it is kept without who said it."""

    comment_id = fields.UUID(required=True)
    comment = fields.String(required=True, validate=validate.Length(max=TEXT_MAX_CHARS))


class Comment(NewComment):
    """What somebody said about proposed rules."""

    created_at = fields.AwareDateTime(required=True)


class Comments(ApiSchema):
    """What was said about proposed rules, the latest first."""

    comments = fields.List(fields.Nested(Comment), required=True)


class CommentsQuery(ApiSchema):
    """Which page: those before a comment."""

    limit = fields.Integer(load_default=LISTED_MAX, validate=validate.Range(1, LISTED_MAX))
    before = fields.UUID(load_default=None)


class Confirmation(Reason):
    """The confirmer names the dry run that was looked at."""

    dry_run_id = fields.UUID(required=True)


class SchemeVersion(ApiSchema):
    """A version and where it stands."""

    code = fields.String(required=True, attribute="name.code")
    version = fields.String(required=True, attribute="name.version")
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    effective_on = fields.Date(required=True)
    content_hash = fields.String(
        required=True, metadata={"description": "SHA-256 of the text, hexadecimal."}
    )
    notice = fields.String(required=True, allow_none=True)
    notice_published_on = fields.Date(required=True, allow_none=True)


class SchemeVersions(ApiSchema):
    """Every version that is public, in the order of their dates."""

    schemes = fields.List(fields.Nested(SchemeVersion), required=True)


class SchemeDocument(SchemeVersion):
    """A version with the text that the hash is of."""

    document = fields.String(required=True)


class DryRunProgress(ApiSchema):
    """A dry run and how far it is."""

    dry_run_id = fields.UUID(required=True)
    code = fields.String(required=True, attribute="name.code")
    version = fields.String(required=True, attribute="name.version")
    as_of_on = fields.Date(required=True)
    slice_count = fields.Integer(required=True)
    slices_done = fields.Integer(required=True)
    started_at = fields.AwareDateTime(required=True, allow_none=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)
    state = fields.String(required=True, validate=validate.OneOf(RUN_STATES))


class DryRun(DryRunProgress):
    """A dry run with its figures when it is done; a group of fewer than ten is never in them."""

    figures = fields.Dict(required=True, allow_none=True)


class Proposal(SchemeDocument):
    """A version as operators see it."""

    assessment_id = fields.UUID(required=True, allow_none=True)
    proposed_by = fields.UUID(required=True, allow_none=True)
    decided_by = fields.UUID(required=True, allow_none=True)


class ProposalWithRuns(Proposal):
    """A version with its dry runs, newest first, and how often something was said about it."""

    comment_count = fields.Integer(required=True)
    dry_runs = fields.List(fields.Nested(DryRunProgress), required=True)


class Proposals(ApiSchema):
    """Every version there is, drafts too."""

    proposals = fields.List(fields.Nested(Proposal), required=True)
