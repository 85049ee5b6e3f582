"""The answers of the scoring routes: exact values as decimal text, all else in whole points."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.scoring.explanations import ALL_LINES, LINES_MAX
from app.scoring.rank_schemas import SchemeRank
from app.scoring.scheme import Decay, Period, Subject
from app.scoring.wording import describe_rule, plain
from app.trail.operations import REASON_MAX_CHARS, REASON_MIN_CHARS
from app.web.openapi import ApiSchema

# Of a thing that need not be there: always told, then null.
_MAYBE: dict[str, Any] = {"required": True, "allow_none": True, "dump_default": None}


class Hexadecimal(fields.String):
    """Bytes as hexadecimal text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return super()._serialize(value.hex(), attr, obj, **kwargs)


class SchemeName(ApiSchema):
    """Which published rules were used."""

    code = fields.String(required=True)
    version = fields.String(required=True)
    title = fields.String(required=True)
    content_hash = Hexadecimal(
        required=True, metadata={"description": "SHA-256 of the published text, hexadecimal."}
    )


class Exact(fields.String):
    """An exact decimal number as the shortest text without an exponent."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        shown = value if value is None else plain(value)
        return super()._serialize(shown, attr, obj, **kwargs)


class DimensionScore(ApiSchema):
    """A dimension's points before and after its cap."""

    code = fields.String(required=True, attribute="dimension.code")
    name = fields.String(required=True, attribute="dimension.name")
    points_before_cap = fields.Integer(required=True)
    points = fields.Integer(required=True)
    cap = fields.Integer(required=True, attribute="dimension.cap")
    taken_by_cap = fields.Integer(required=True)


class IndicatorScore(ApiSchema):
    """An indicator: exact, rounded once, then cut at its cap."""

    code = fields.String(required=True, attribute="indicator.code")
    dimension = fields.String(required=True, attribute="indicator.dimension")
    name = fields.String(required=True, attribute="indicator.name")
    rule = fields.String(required=True, attribute="indicator.rule")
    unit = fields.String(required=True, allow_none=True, attribute="indicator.unit")
    exact = Exact(required=True)
    rounded = fields.Integer(required=True)
    points = fields.Integer(required=True)
    cap = fields.Integer(required=True, attribute="indicator.cap")
    taken_by_cap = fields.Integer(required=True)
    line_count = fields.Integer(required=True)
    illustrative = fields.List(
        fields.String(), required=True, attribute="indicator.illustrative",
        metadata={"description": "Which parts of this rule are illustrative."},
    )


class NextScoreTier(ApiSchema):
    """How far the next tier is."""

    code = fields.String(required=True)
    missing_points = fields.Integer(required=True)


class Score(ApiSchema):
    """A citizen's own result, or that of the citizen's household.

    `next_shown_on`: from then on a later state is shown; null where changes are shown at once.
    """

    subject = fields.Enum(Subject, by_value=True, required=True, attribute="scheme.subject")
    next_shown_on = fields.Date(required=True, allow_none=True)
    as_of_on = fields.Date(required=True, attribute="score.as_of_on")
    total = fields.Integer(required=True, attribute="score.total")
    total_cap = fields.Integer(required=True, attribute="scheme.total_cap")
    tier = fields.String(required=True, allow_none=True, attribute="score.tier")
    next_tier = fields.Nested(NextScoreTier, required=True, allow_none=True)
    scheme = fields.Nested(SchemeName, required=True)
    dimensions = fields.List(fields.Nested(DimensionScore), required=True)
    indicators = fields.List(fields.Nested(IndicatorScore), required=True)
    line_count = fields.Integer(required=True)


class LineOrigin(ApiSchema):
    """Whose delivery brought the record, in which row, taken in when."""

    source_unit = fields.String(required=True, allow_none=True)
    delivery_id = fields.UUID(required=True)
    row_number = fields.Integer(required=True)
    delivered_on = fields.Date(required=True)
    received_at = fields.AwareDateTime(required=True)


class ScoreLine(ApiSchema):
    """One record beside one indicator, in numbers and in words.

    The values of an indicator's lines add up to its exact value.  `over_cap` is what of the value
    the indicator's cap takes, `over_period_cap` what its month's or year's cap took before.
    Number, origin and the reason that the source stated (where it states one) are null for the
    record of another adult of the household.
    `not_counted` is `older`, `best_of`, `once` or `same_month` for a line that is worth nothing;
    from `ends_on` on the record no longer counts.
    """

    record_type = fields.String(required=True)
    record_title = fields.String(required=True)
    record_number = fields.String(required=True, allow_none=True)
    version = fields.Integer(required=True)
    event_on = fields.Date(required=True)
    ends_on = fields.Date(required=True, allow_none=True)
    item = fields.String(required=True, allow_none=True)
    quantity = Exact(required=True)
    value = Exact(required=True)
    over_period_cap = Exact(required=True)
    over_cap = Exact(required=True)
    not_counted = fields.String(required=True, allow_none=True)
    wording = fields.String(required=True)
    why_not = fields.String(required=True, allow_none=True)
    legal_basis = fields.String(required=True)
    stated_reason = fields.String(required=True, allow_none=True)
    origin = fields.Nested(LineOrigin, required=True, allow_none=True)
    is_disputed = fields.Boolean(
        required=True, metadata={"description": "The caller's objection to the record is open."}
    )


class ExplainedIndicator(IndicatorScore):
    """An indicator with those of its lines that are on the page."""

    wording = fields.Function(lambda one: describe_rule(one.indicator), required=True)
    lines = fields.List(fields.Nested(ScoreLine), required=True)


class ScoreExplanation(Score):
    """A result with the lines that led to it, a page at a time."""

    indicators = fields.List(fields.Nested(ExplainedIndicator), required=True)
    next_after_line = fields.Integer(
        required=True, allow_none=True,
        metadata={"description": "What to ask for next; null when this page is the last."},
    )
    expired_until_on = fields.Date(
        required=True, allow_none=True,
        metadata={"description": "Up to this day deleted records counted that are not told here."},
    )


class ScoreQuery(ApiSchema):
    """Which day, past or to come; without it, now."""

    as_of = fields.Date(load_default=None)


class ScoreExplanationQuery(ScoreQuery):
    """Which day, and which page: the lines after the first `after_line`."""

    after_line = fields.Integer(load_default=0, validate=validate.Range(0, ALL_LINES))
    limit = fields.Integer(load_default=LINES_MAX, validate=validate.Range(1, LINES_MAX))


class EndingLine(ApiSchema):
    """A record that counts up to the day before `ends_on`."""

    indicator = fields.String(required=True)
    record_type = fields.String(required=True)
    record_number = fields.String(required=True, allow_none=True)
    event_on = fields.Date(required=True)
    ends_on = fields.Date(required=True)
    value = Exact(required=True)


class UpcomingChange(ApiSchema):
    """A day on which something ends or new rules begin, and the result of that day."""

    on = fields.Date(required=True)
    total = fields.Integer(required=True)
    tier = fields.String(required=True, allow_none=True)
    scheme_version = fields.String(required=True)
    ending_count = fields.Integer(required=True)
    endings = fields.List(fields.Nested(EndingLine), required=True)


class Way(ApiSchema):
    """Something that everybody may do: what one more is worth, and brings now given the caps."""

    indicator = fields.String(required=True)
    name = fields.String(required=True)
    item = fields.String(required=True, allow_none=True)
    one_more = fields.String(required=True)
    worth = Exact(required=True)
    gain_points = fields.Integer(required=True)
    room_points = fields.Integer(required=True)


class ScoreOutlook(ApiSchema):
    """What changes within 30 days if nothing is delivered, and ways to the next tier."""

    as_of_on = fields.Date(required=True, attribute="now.score.as_of_on")
    total = fields.Integer(required=True, attribute="now.score.total")
    tier = fields.String(required=True, allow_none=True, attribute="now.score.tier")
    next_tier = fields.Nested(
        NextScoreTier, required=True, allow_none=True, attribute="now.next_tier"
    )
    changes = fields.List(fields.Nested(UpcomingChange), required=True)
    ways = fields.List(fields.Nested(Way), required=True)


class FedIndicator(ApiSchema):
    """An indicator that a record feeds by the rules of today; from `ends_on` on no longer."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    ends_on = fields.Date(required=True, allow_none=True)
    counts_today = fields.Boolean(required=True)


class RowTrace(ApiSchema):
    """What became of a row: `kept` with its record, or `refused` with the reason."""

    delivery_id = fields.UUID(required=True)
    row_number = fields.Integer(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(["kept", "refused"]))
    reason = fields.String(required=True, allow_none=True)
    record_type = fields.String(required=True)
    record_number = fields.String(attribute="kept.record_number", **_MAYBE)
    version = fields.Integer(attribute="kept.version", **_MAYBE)
    is_void = fields.Boolean(attribute="kept.is_void", **_MAYBE)
    event_on = fields.Date(attribute="kept.event_on", **_MAYBE)
    replaced_on = fields.Date(attribute="kept.replaced_on", **_MAYBE)
    received_at = fields.AwareDateTime(required=True)
    fed = fields.List(fields.Nested(FedIndicator), required=True)
    is_disputed = fields.Boolean(
        required=True, metadata={"description": "An objection to the record is open."}
    )


class RevealRow(ApiSchema):
    """Why the person behind a row is looked at."""

    reason = fields.String(
        required=True, validate=validate.Length(REASON_MIN_CHARS, REASON_MAX_CHARS)
    )


class RevealedRow(ApiSchema):
    """The row with its person, masked, and the points that it granted."""

    trace = fields.Nested(RowTrace, required=True)
    name = fields.String(attribute="person.name", **_MAYBE)
    id_number = fields.String(attribute="person.id_number", **_MAYBE)
    granted_points = fields.Integer(required=True)


class NewRecomputation(ApiSchema):
    """A recomputation of everybody's score; `recomputation_id` is a new UUID."""

    recomputation_id = fields.UUID(required=True)


class Recomputation(ApiSchema):
    """How far a recomputation of everybody's score is; `changed_count` are scores."""

    recomputation_id = fields.UUID(required=True)
    scheme_code = fields.String(required=True)
    scheme_version = fields.String(required=True)
    as_of_on = fields.Date(required=True)
    slice_count = fields.Integer(required=True)
    slices_done = fields.Integer(required=True)
    done_percent = fields.Integer(required=True)
    changed_count = fields.Integer(required=True)
    started_at = fields.AwareDateTime(required=True)
    finished_at = fields.AwareDateTime(required=True, allow_none=True)


class Recomputations(ApiSchema):
    """The last recomputations."""

    recomputations = fields.List(fields.Nested(Recomputation), required=True)


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


class DecayStep(ApiSchema):
    """From which day after the event on a record is worth which share."""

    from_day = fields.Integer(required=True)
    share = fields.String(required=True)


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
    record_type = fields.String(required=True, allow_none=True)
    period = fields.Enum(Period, by_value=True, required=True, allow_none=True)
    period_cap = fields.String(required=True, allow_none=True)
    decay = fields.Enum(Decay, by_value=True, required=True, allow_none=True)
    steps = fields.List(fields.Nested(DecayStep), required=True)
    until_record_ends = fields.Boolean(required=True)
    illustrative = fields.List(fields.String(), required=True)
    open_to_all = fields.Boolean(required=True)
    open_items = fields.List(fields.String(), required=True)


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

    subject = fields.Enum(Subject, by_value=True, required=True)
    shown = fields.Enum(Period, by_value=True, required=True, allow_none=True)
    effective_on = fields.Date(required=True)
    total_cap = fields.Integer(required=True)
    legal_basis = fields.String(required=True)
    tiers = fields.List(fields.Nested(SchemeTier), required=True)
    ranks = fields.List(fields.Nested(SchemeRank), required=True)
    dimensions = fields.List(fields.Nested(SchemeDimension), required=True)
    indicators = fields.List(fields.Nested(SchemeIndicator), required=True)
    points = fields.Nested(PointsRules, required=True)
    document = fields.String(required=True)
