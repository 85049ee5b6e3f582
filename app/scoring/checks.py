"""What must hold between the keys of a scheme, and between a scheme and the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from app.kernel.keyed_documents import Finding
from app.records.catalogue import Catalogue, RecordType
from app.scoring.rules import Decay, Period, Rule, Subject, Unit

_OF_RECORDS = (
    "items", "measure", "period", "period_cap", "validity_days", "until_record_ends", "decay",
    "steps", "record_type", "open_to_all", "open_items", "unit",
)  # fmt: skip
Said = Iterator[tuple[str, str]]
TOP_PERCENT_MAX = 50


def check_scheme(
    read: Mapping[str, Any], catalogue: Catalogue, findings: list[Finding]
) -> None:
    """Add what is wrong; entries whose keys are wrong already are not looked at further."""
    broken = {one.path[:2] for one in findings}
    points = read.get("points", {})
    for name in ("tier", "rank", "dimension", "indicator"):
        findings += _twice((name,), "code", read.get(name, ()))
    findings += _twice(("points", "grant"), "indicator", points.get("grant", ()))
    dimensions = {one.get("code") for one in read.get("dimension", ())}
    for at, one in enumerate(read.get("indicator", ())):
        if ("indicator", at) in broken:
            continue
        said = [*_indicator(one, catalogue)]
        if one["dimension"] not in dimensions:
            said.append(("dimension", f"there is no {one['dimension']}"))
        findings += [Finding(("indicator", at, key), reason) for key, reason in said]
    for at, one in enumerate(read.get("tier", ())):
        if one.get("least_total", 0) > read.get("total_cap", one.get("least_total", 0)):
            findings.append(Finding(("tier", at, "least_total"), "above total_cap"))
    findings += [Finding(("tier",), reason) for reason in _tiers(read)]
    for at, one in enumerate(read.get("rank", ())):
        said = [*_rank(one, read)] if ("rank", at) not in broken else []
        findings += [Finding(("rank", at, key), reason) for key, reason in said]
    indicators = {one.get("code"): one for one in read.get("indicator", ())}
    if ("points", "grant") not in broken:
        for at, one in enumerate(points.get("grant", ())):
            said = [*_grant(one, indicators, catalogue)]
            findings += [Finding(("points", "grant", at, key), reason) for key, reason in said]


def _tiers(read: Mapping[str, Any]) -> Iterator[str]:
    """Tiers apply at once, to a person."""
    if read.get("tier") and "shown" in read:
        yield "a tier applies at once and would tell what is shown later"
    if read.get("tier") and read.get("subject") == Subject.HOUSEHOLD:
        yield "benefits go by the tiers of persons; a household has none"


def _rank(one: Mapping[str, Any], read: Mapping[str, Any]) -> Said:
    if ("top_percent" in one) == ("top_count" in one):
        yield "top_percent", "either top_percent or top_count"
    if not 1 <= one.get("top_percent", 1) <= TOP_PERCENT_MAX:
        yield "top_percent", f"from 1 to {TOP_PERCENT_MAX}: who is not in it is in no lower half"
    if one.get("top_count") == 0:
        yield "top_count", "at least 1"
    if one.get("least_total", 0) > read.get("total_cap", one.get("least_total", 0)):
        yield "least_total", "above total_cap"
    lengths = [*Period]
    if "shown" in read and lengths.index(one["period"]) < lengths.index(read["shown"]):
        yield "period", "shorter than what is shown: it would tell what is shown later"


def _twice(path: tuple[str, ...], key: str, entries: list[dict[str, Any]]) -> list[Finding]:
    counts = Counter(one.get(key) for one in entries)
    return [
        Finding((*path, at, key), "stands twice")
        for at, one in enumerate(entries)
        if one.get(key) is not None and counts[one[key]] > 1
    ]


def _indicator(one: Mapping[str, Any], catalogue: Catalogue) -> Said:
    if one["rule"] == Rule.BASE:
        yield from _base(one)
        return
    if "record_type" not in one:
        yield "record_type", "missing"
        return
    record_type = catalogue.record_types.get(one["record_type"])
    if record_type is None:
        yield "record_type", "not in the catalogue"
        return
    yield from _feed(one, record_type)
    yield from _units(one)
    yield from _periods(one)
    yield from _validity(one)
    if one.get("until_record_ends") and record_type.last_day_column is None:
        yield "until_record_ends", f"{record_type.code} has no column of kind last_day"
    yield from _sign(one, record_type)


def _base(one: Mapping[str, Any]) -> Said:
    if "value" not in one or one["value"] < 0:
        yield "value", "a starting value, not negative, expected"
    for key in _OF_RECORDS:
        if key in one:
            yield key, "a starting value comes from no record"


def _feed(one: Mapping[str, Any], record_type: RecordType) -> Said:
    items = one.get("items", {})
    for item in sorted(set(items) - record_type.items):
        yield "items", f"{item} is not in the catalogue"
    if ("value" in one) == bool(items):
        yield "value", "either value or items"
    if one["rule"] == Rule.TABLE and not items:
        yield "items", "a table needs them"
    if one["rule"] == Rule.ONCE and len(set(items.values())) > 1:
        yield "items", "what counts once has one value; use best_of"
    measured = one["rule"] == Rule.FACTOR or one.get("unit") in {Unit.HOUR, Unit.HUNDRED_YUAN}
    if measured != ("measure" in one):
        yield "measure", "needed with factor, hour and hundred_yuan only"
    elif measured and one["measure"] not in record_type.measures:
        yield "measure", f"the catalogue has no {one['measure']}"
    if not set(one.get("open_items", ())) <= set(items):
        yield "open_items", "only items that feed it"
    if one.get("open_to_all") and items:
        yield "open_to_all", "of items, open_items says which"


def _units(one: Mapping[str, Any]) -> Said:
    if (one["rule"] == Rule.PER_UNIT) != ("unit" in one):
        yield "unit", "needed with per_unit only"
    if one.get("unit") == Unit.HUNDRED_YUAN:
        for key in ("items", "decay"):
            if key in one:
                yield key, "full hundreds are of a sum: one value, no decay"


def _periods(one: Mapping[str, Any]) -> Said:
    if "period" in one and one["rule"] == Rule.FACTOR:
        yield "period", "of results the latest counts, whenever it was"
    if "period" in one and one["rule"] in {Rule.PER_UNIT, Rule.TABLE} and "period_cap" not in one:
        yield "period_cap", "a period without a cap changes nothing"
    if "period_cap" in one and ("period" not in one or one["period_cap"] <= 0):
        yield "period_cap", "above zero, with a period"


def _validity(one: Mapping[str, Any]) -> Said:
    if one.get("validity_days") == 0:
        yield "validity_days", "at least 1"
    if one.get("decay") == Decay.LINEAR and "validity_days" not in one:
        yield "decay", "linear decay needs validity_days"
    if (one.get("decay") == Decay.STEPS) != bool(one.get("steps")):
        yield "steps", "needed with decay by steps only"
    steps = one.get("steps", ())
    days = [0, *(step["from_day"] for step in steps)]
    if any(later <= before for before, later in pairwise(days)):
        yield "steps", "from_day rises from 1"
    if steps and days[-1] >= one.get("validity_days", days[-1] + 1):
        yield "steps", "a step after the end of validity"
    shares = [Decimal(1), *(step["share"] for step in steps)]
    if any(not 0 <= later < before for before, later in pairwise(shares)):
        yield "steps", "share falls from 1 towards 0"


def _sign(one: Mapping[str, Any], record_type: RecordType) -> Said:
    """A minus item needs a record type with its law, its evidence and its end; nothing else may."""
    worths = [*one.get("items", {}).values(), *([one["value"]] if "value" in one else [])]
    key = "items" if "items" in one else "value"
    if record_type.positive:
        if any(worth < 0 for worth in worths):
            yield key, f"{record_type.code} carries no directory, evidence and end: plus only"
        return
    if any(worth > 0 for worth in worths):
        yield key, f"{record_type.code} is adverse: minus only"
    if one["rule"] != Rule.TABLE and one.get("unit") != Unit.RECORD:
        yield "rule", "minus items are a table, or per_unit by record"
    term_days = record_type.term_days or 0
    if one.get("validity_days", term_days + 1) > term_days:
        yield "validity_days", f"at most the term of {term_days} days"
    if one.get("open_to_all") or one.get("open_items"):
        yield "open_to_all", "nobody is invited to a minus item"


def _grant(
    one: Mapping[str, Any], indicators: Mapping[str, Any], catalogue: Catalogue
) -> Said:
    fed = indicators.get(one["indicator"])
    if fed is None:
        yield "indicator", f"there is no {one['indicator']}"
    elif fed.get("rule") == Rule.BASE:
        yield "indicator", "a starting value grants no points"
    else:
        record_type = catalogue.record_types.get(fed.get("record_type", ""))
        if record_type is not None and not record_type.positive:
            yield "indicator", "an adverse record grants no points"
        if one["unit"] in {Unit.HOUR, Unit.HUNDRED_YUAN} and "measure" not in fed:
            yield "unit", "the indicator has no measure"
    if one["unit"] == Unit.MONTH:
        yield "unit", "a record grants no points per month"
    if ("points" in one) == bool(one.get("items")):
        yield "points", "either points or items"
