"""The bodies and answers of the routes of ranks."""

from __future__ import annotations

from marshmallow import fields, validate

from app.scoring.scheme import Among, Period
from app.web.openapi import ApiSchema


class SchemeRank(ApiSchema):
    """A rank: reached by who has the least total and fewer than the top strictly above."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    among = fields.Enum(Among, by_value=True, required=True)
    period = fields.Enum(Period, by_value=True, required=True)
    top_percent = fields.Integer(required=True, allow_none=True)
    top_count = fields.Integer(required=True, allow_none=True)
    least_total = fields.Integer(required=True)
    illustrative = fields.List(fields.String(), required=True)


class ToldRank(ApiSchema):
    """What the caller is told of a rank: never a place, and nothing of anybody else."""

    rule = fields.Nested(SchemeRank, required=True)
    closed_on = fields.Date(required=True)
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(["reached", "not_reached", "not_ranked", "pending"]),
    )


class ToldRanks(ApiSchema):
    """The caller's consent to be ranked, whether the household takes part too, and the ranks."""

    consent_state = fields.String(required=True)
    takes_part = fields.Boolean(required=True)
    ranks = fields.List(fields.Nested(ToldRank), required=True)


class RankingAgreement(ApiSchema):
    """The version of the text of purpose `ranking` that the caller agrees to."""

    text_version = fields.Integer(required=True, strict=True, validate=validate.Range(1, 1_000_000))
