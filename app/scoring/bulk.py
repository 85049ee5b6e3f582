"""The totals of many citizens in one pass: the rules of one version written out as a statement.

`score_totals` is the definition.  It joins the rules to every record and adds up at five levels,
which is right for some citizens and slow for all of them.  Here each indicator is an aggregate of
its own over one group by citizen.  Only rules that look at each record for itself are written out,
and months of one value; those with periods or decay, and starting values, come from the definition.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.scoring.scheme import Indicator, Rule, Scheme, Unit

MONTHS_MAX_DAYS = 62 * 28  # the months of as many days at least have a bit each


@dataclass(frozen=True)
class Totals:
    """A query that gives what `score_totals` gives, and its parameters but `as_of`."""

    sql: str
    parameters: dict[str, object]


def write_totals(scheme: Scheme, *, where: str) -> Totals:
    """The query for the citizens for whom `where`, a condition on `citizen_id`, holds."""
    return _Writer(scheme, where).totals()


def is_plain(rule: Indicator) -> bool:
    """Whether an indicator needs no more than one look at each record."""
    if rule.rule is Rule.BASE or rule.period or rule.decay:
        return False
    if rule.unit is Unit.MONTH:
        short = rule.validity_days is not None and rule.validity_days <= MONTHS_MAX_DAYS
        return short and rule.measure is None and len(set(rule.items.values()) or {rule.value}) == 1
    if rule.rule is Rule.FACTOR or rule.unit is Unit.HUNDRED_YUAN:
        return rule.measure is not None and rule.value is not None
    return True


@dataclass
class _Writer:
    """Writes the layers of one query; what is fenced by OFFSET 0 is computed once per citizen."""

    scheme: Scheme
    where: str
    parameters: dict[str, object] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    aggregates: dict[str, str] = field(default_factory=dict)  # by expression, the column
    picked: dict[str, str] = field(default_factory=dict)  # by column, the measures of the latest

    def totals(self) -> Totals:
        points = {one.code: self._points(one) for one in self.scheme.indicators}
        dimensions = ", ".join(
            f"{self._dimension(one.code, one.cap)} AS d{at}"
            for at, one in enumerate(self.scheme.dimensions)
        )
        columns = [f"d{at}" for at in range(len(self.scheme.dimensions))]
        indicators = ", ".join(
            f"{points[one.code]} AS i{at}" for at, one in enumerate(self.scheme.indicators)
        )
        total_cap = self._bind(self.scheme.total_cap, "bigint")
        total = f"greatest(0, least({_sum(columns)}, {total_cap}))"
        found = ", ".join(
            f"{self._bind(one.code, 'text')}, d{at}"
            for at, one in enumerate(self.scheme.dimensions)
        )
        sql = f"""
            SELECT e.citizen_id, e.total, {self._tier()} AS tier,
                   jsonb_strip_nulls(jsonb_build_object({found})) AS dimensions, e.changes_on
            FROM (
                SELECT d.*, {total} AS total
                FROM (
                    SELECT i.citizen_id, i.changes_on, {dimensions}
                    FROM (SELECT citizen_id, changes_on, {indicators}
                          FROM ({self._sources()}) s OFFSET 0) i OFFSET 0
                ) d WHERE coalesce({", ".join(columns)}) IS NOT NULL OFFSET 0
            ) e
        """
        return Totals(sql, self.parameters)

    def _bind(self, value: object, kind: str) -> str:
        """The same value has one name, so that the same expression is written the same."""
        name = self.names.setdefault((kind, repr(value)), f"p{len(self.names)}")
        self.parameters[name] = value
        return f"CAST(:{name} AS {kind})"

    def _points(self, rule: Indicator) -> str:
        """The points of an indicator; null where nothing feeds it."""
        at = self.scheme.indicators.index(rule)
        if not is_plain(rule):
            return f"c{at}"
        column, exact = self._exact(rule)
        cap = self._bind(rule.cap, "bigint")
        rounded = f"CAST(round({exact}) AS bigint)"
        return f"CASE WHEN {column} IS NOT NULL THEN greatest(-{cap}, least({cap}, {rounded})) END"

    def _exact(self, rule: Indicator) -> tuple[str, str]:
        """The column that is null where nothing feeds it, and the value before rounding."""
        if rule.rule is Rule.FACTOR:
            # The latest; two of one day: the greater number.  Days as six digits.
            column = self._aggregate(
                "max(ARRAY[CAST(r.event_on - DATE '1000-01-01' AS text), r.record_number,"
                ' CAST(r.measures AS text)] COLLATE "C")', rule,
            )
            measures = self.picked.setdefault(column, f"m{len(self.picked)}")
            measure = self._bind(rule.measure, "text")
            value = self._bind(rule.value, "numeric")
            return column, f"CAST({measures} ->> {measure} AS numeric) * {value}"
        if rule.unit is Unit.HUNDRED_YUAN:
            column = self._aggregate(f"sum({self._amount(rule, worth=None)})", rule)
            return column, f"div({column}, 100) * {self._bind(rule.value, 'numeric')}"
        if rule.unit is Unit.MONTH:
            return self._months(rule)
        worth = self._worth(rule)
        if rule.rule in {Rule.BEST_OF, Rule.ONCE}:
            column = self._aggregate(f"max({self._amount(rule, worth=worth)})", rule)
            return column, column
        if rule.items:
            column = self._aggregate(f"sum({self._amount(rule, worth=worth)})", rule)
            return column, column
        # One value for all: multiplied once.
        column = self._aggregate(f"sum({self._amount(rule, worth=None)})", rule)
        return column, f"{column} * {worth}"

    def _months(self, rule: Indicator) -> tuple[str, str]:
        """A bit for each month that has a record, the youngest month first."""
        age = " - ".join(
            f"CAST(12 * extract(year FROM {day}) + extract(month FROM {day}) AS integer)"
            for day in ("CAST(:as_of AS date)", "r.event_on")
        )
        column = self._aggregate(f"bit_or(CAST(1 AS bigint) << ({age}))", rule)
        value = rule.value or next(iter(rule.items.values()))
        worth = self._bind(value, "numeric")
        return column, f"bit_count(CAST({column} AS bit(64))) * {worth}"

    def _worth(self, rule: Indicator) -> str:
        if rule.value is not None:
            return self._bind(rule.value, "numeric")
        cases = " ".join(
            f"WHEN {self._bind(item, 'text')} THEN {self._bind(value, 'numeric')}"
            for item, value in rule.items.items()
        )
        return f"CASE r.item {cases} END"

    def _amount(self, rule: Indicator, *, worth: str | None) -> str:
        if rule.measure is None:
            return worth or "CAST(1 AS numeric)"
        quantity = f"CAST(r.measures ->> {self._bind(rule.measure, 'text')} AS numeric)"
        return f"{quantity} * {worth}" if worth else quantity

    def _aggregate(self, call: str, rule: Indicator) -> str:
        """The column of an aggregate over the records that feed a rule now."""
        record_type = self._bind(rule.record_type, "text")
        condition = f"r.record_type = {record_type} AND {self._counts(rule)}"
        return self.aggregates.setdefault(
            f"{call} FILTER (WHERE {condition})", f"a{len(self.aggregates)}"
        )

    def _counts(self, rule: Indicator) -> str:
        """When a record of its type feeds a rule now."""
        conditions = []
        if rule.items:
            conditions.append(f"r.item = ANY({self._bind(list(rule.items), 'text[]')})")
        if rule.validity_days is not None:
            days = self._bind(rule.validity_days, "integer")
            conditions.append(f"r.event_on > CAST(:as_of AS date) - {days}")
        if rule.until_record_ends:
            conditions.append("(r.ends_on IS NULL OR r.ends_on > CAST(:as_of AS date))")
        return " AND ".join(conditions) or "true"

    def _changes(self) -> str:
        """The first day on which a record is worth something else, by its type."""
        ends: dict[str, dict[str, None]] = {}
        for rule in filter(is_plain, self.scheme.indicators):
            days = rule.validity_days
            last = [] if days is None else [f"r.event_on + {self._bind(days, 'integer')}"]
            last += ["r.ends_on"] if rule.until_record_ends else []
            end = f"CASE WHEN {self._counts(rule)} THEN least({', '.join(last)}) END"
            ends.setdefault(rule.record_type, {}).update({end: None} if last else {})
        cases = " ".join(
            f"WHEN {self._bind(kind, 'text')} THEN least({', '.join(some)})"
            for kind, some in ends.items() if some
        )
        return f"min(CASE r.record_type {cases} END)" if cases else "CAST(NULL AS date)"

    def _sources(self) -> str:
        """One row per citizen: the aggregates that are written out, and the other indicators."""
        others = [at for at, one in enumerate(self.scheme.indicators) if not is_plain(one)]
        if not self.aggregates:
            return self._definition(others)
        aggregates = ", ".join(f"{call} AS {column}" for call, column in self.aggregates.items())
        plain = f"""
            SELECT r.citizen_id, {self._changes()} AS changes_on, {aggregates}
            FROM records_live(CAST(:as_of AS date)) r
            WHERE r.event_on <= CAST(:as_of AS date) AND {self.where} GROUP BY r.citizen_id
        """
        picked = "".join(
            f", CAST(({column})[3] AS jsonb) AS {place}" for column, place in self.picked.items()
        )
        plain = f"SELECT *{picked} FROM ({plain}) w OFFSET 0"
        if not others:
            return plain
        columns = ", ".join([*self.aggregates.values(), *self.picked.values()])
        rest = ", ".join(f"c{at}" for at in others)
        return f"""
            SELECT citizen_id, least(w.changes_on, c.changes_on) AS changes_on, {columns}, {rest}
            FROM ({plain}) w FULL JOIN ({self._definition(others)}) c USING (citizen_id)
        """

    def _definition(self, others: Iterable[int]) -> str:
        """The points of other indicators, each in a column."""
        rules = {at: self.scheme.indicators[at].code for at in others}
        points = ", ".join(
            f"max(n.points) FILTER (WHERE n.indicator = {self._bind(code, 'text')}) AS c{at}"
            for at, code in rules.items()
        )
        codes = self._bind(list(rules.values()), "text[]")
        return f"""
            SELECT n.citizen_id, {points}, min(n.changes_on) AS changes_on
            FROM score_indicators(CAST(:as_of AS date), {self._bind(self.scheme.code, "text")},
                                  {self._bind(self.scheme.version, "text")}) n
            WHERE n.indicator = ANY({codes}) AND {self.where} GROUP BY n.citizen_id
        """

    def _dimension(self, dimension: str, cap: int) -> str:
        columns = [
            f"i{at}" for at, one in enumerate(self.scheme.indicators) if one.dimension == dimension
        ]
        if not columns:
            return "CAST(NULL AS bigint)"
        least = f"least({_sum(columns)}, {self._bind(cap, 'bigint')})"
        return f"CASE WHEN coalesce({', '.join(columns)}) IS NOT NULL THEN {least} END"

    def _tier(self) -> str:
        tiers = sorted(self.scheme.tiers, key=lambda tier: -tier.least_total)
        cases = " ".join(
            f"WHEN e.total >= {self._bind(one.least_total, 'bigint')}"
            f" THEN {self._bind(one.code, 'text')}" for one in tiers
        )
        return f"CASE {cases} END" if cases else "CAST(NULL AS text)"


def _sum(columns: Iterable[str]) -> str:
    return " + ".join(f"coalesce({column}, 0)" for column in columns)
