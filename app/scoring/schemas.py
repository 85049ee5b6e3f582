"""The answers of the scoring routes: exact values as decimal text, all else in whole points."""

from __future__ import annotations

from marshmallow import fields

from app.web.openapi import ApiSchema


class SchemeName(ApiSchema):
    """Which published rules were used."""

    code = fields.String(required=True)
    version = fields.String(required=True)
    title = fields.String(required=True)
    content_hash = fields.String(
        required=True, metadata={"description": "SHA-256 of the published text, hexadecimal."}
    )


class DimensionScore(ApiSchema):
    """A dimension's points, after its cap."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    points = fields.Integer(required=True)
    cap = fields.Integer(required=True)


class IndicatorScore(ApiSchema):
    """An indicator: exact, rounded once, then cut at its cap."""

    code = fields.String(required=True)
    dimension = fields.String(required=True)
    name = fields.String(required=True)
    exact = fields.String(required=True)
    rounded = fields.Integer(required=True)
    points = fields.Integer(required=True)
    cap = fields.Integer(required=True)
    illustrative = fields.List(
        fields.String(), required=True,
        metadata={"description": "Which parts of this rule are illustrative."},
    )


class NextScoreTier(ApiSchema):
    """How far the next tier is."""

    code = fields.String(required=True)
    missing_points = fields.Integer(required=True)


class Score(ApiSchema):
    """A citizen's own result."""

    as_of_on = fields.Date(required=True)
    total = fields.Integer(required=True)
    total_cap = fields.Integer(required=True)
    tier = fields.String(required=True, allow_none=True)
    next_tier = fields.Nested(NextScoreTier, required=True, allow_none=True)
    scheme = fields.Nested(SchemeName, required=True)
    dimensions = fields.List(fields.Nested(DimensionScore), required=True)
    indicators = fields.List(fields.Nested(IndicatorScore), required=True)


class ScoreLine(ApiSchema):
    """One record beside one indicator.

    The exact values of an indicator's lines add up to its exact value.  `not_counted` is `older`,
    `best_of`, `once` or `same_month` for a line that is worth nothing; from `ends_on` on the record
    no longer counts.
    """

    record_type = fields.String(required=True)
    record_number = fields.String(required=True)
    version = fields.Integer(required=True)
    event_on = fields.Date(required=True)
    ends_on = fields.Date(required=True, allow_none=True)
    item = fields.String(required=True, allow_none=True)
    quantity = fields.String(required=True)
    value = fields.String(required=True)
    not_counted = fields.String(required=True, allow_none=True)


class ExplainedIndicator(IndicatorScore):
    """An indicator with its lines."""

    rule = fields.String(required=True)
    unit = fields.String(required=True, allow_none=True)
    lines = fields.List(fields.Nested(ScoreLine), required=True)


class ScoreExplanation(Score):
    """A result with every line that led to it."""

    indicators = fields.List(fields.Nested(ExplainedIndicator), required=True)


class ScoreExplanationQuery(ApiSchema):
    """Which day; without it, now."""

    on = fields.Date(load_default=None)


class SchemeTier(ApiSchema):
    """A tier."""

    code = fields.String(required=True)
    least_total = fields.Integer(required=True)
    illustrative = fields.List(fields.String(), required=True)


class SchemeDimension(ApiSchema):
    """A dimension."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    cap = fields.Integer(required=True)


class SchemeIndicator(ApiSchema):
    """An indicator's rule."""

    code = fields.String(required=True)
    dimension = fields.String(required=True)
    name = fields.String(required=True)
    rule = fields.String(required=True)
    unit = fields.String(required=True, allow_none=True)
    value = fields.String(required=True, allow_none=True)
    items = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    cap = fields.Integer(required=True)
    validity_days = fields.Integer(required=True, allow_none=True)
    record_type = fields.String(required=True)
    illustrative = fields.List(fields.String(), required=True)


class PointsGrant(ApiSchema):
    """What one record grants."""

    indicator = fields.String(required=True)
    unit = fields.String(required=True)
    points = fields.Integer(required=True, allow_none=True)
    items = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    illustrative = fields.List(fields.String(), required=True)


class PointsRules(ApiSchema):
    """How points are granted."""

    daily_cap_points = fields.Integer(required=True)
    lot_days = fields.Integer(required=True)
    grants = fields.List(fields.Nested(PointsGrant), required=True)
    illustrative = fields.List(fields.String(), required=True)


class PublishedScheme(SchemeName):
    """The published rules, whole; `document` is the text that the hash is of."""

    effective_on = fields.Date(required=True)
    total_cap = fields.Integer(required=True)
    legal_basis = fields.String(required=True)
    tiers = fields.List(fields.Nested(SchemeTier), required=True)
    dimensions = fields.List(fields.Nested(SchemeDimension), required=True)
    indicators = fields.List(fields.Nested(SchemeIndicator), required=True)
    points = fields.Nested(PointsRules, required=True)
    document = fields.String(required=True)
