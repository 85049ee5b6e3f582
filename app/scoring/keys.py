"""The keys of a scheme file, once: what reads them, and what editors know of them."""

from __future__ import annotations

from app.kernel.keyed_documents import Key, Kind
from app.scoring.rules import Among, Decay, Period, Rule, Subject, Unit

SCHEMA_TITLE = "Scheme of a city"
ILLUSTRATIVE = Key(Kind.TEXTS, "Which keys of this entry no published source gives.", needed=False)
TIER = {
    "code": Key(Kind.TEXT, "The name of the tier."),
    "least_total": Key(Kind.WHOLE, "The least total that reaches it."),
    "illustrative": ILLUSTRATIVE,
}
DIMENSION = {
    "code": Key(Kind.TEXT, "What indicators name it by."),
    "name": Key(Kind.TEXT, "What citizens read."),
    "cap": Key(Kind.WHOLE, "The most that its indicators give together."),
    "illustrative": ILLUSTRATIVE,
}
STEP = {
    "from_day": Key(Kind.WHOLE, "From this day after the event on,"),
    "share": Key(Kind.DECIMAL, "a record is worth this share, from 0 to 1."),
}
INDICATOR = {
    "code": Key(Kind.TEXT, "The code of the indicator."),
    "dimension": Key(Kind.TEXT, "The code of its dimension."),
    "name": Key(Kind.TEXT, "What citizens read."),
    "rule": Key(Kind.TEXT, "How records become points.", choices=tuple(Rule)),
    "unit": Key(Kind.TEXT, "What per_unit counts.", needed=False, choices=tuple(Unit)),
    "value": Key(Kind.DECIMAL, "What one unit is worth; or else items.", needed=False),
    "items": Key(Kind.DECIMALS, "The items that feed it, each with its value.", needed=False),
    "measure": Key(Kind.TEXT, "The number of the record that counts.", needed=False),
    "cap": Key(Kind.WHOLE, "The most it gives; for minus items the most it takes."),
    "period": Key(
        Kind.TEXT, "Each period of event days by itself.", needed=False, choices=tuple(Period)
    ),
    "period_cap": Key(Kind.DECIMAL, "The most that one period gives.", needed=False),
    "validity_days": Key(Kind.WHOLE, "Days from the event; without it for ever.", needed=False),
    "until_record_ends": Key(Kind.FLAG, "Until the record's own end date.", needed=False),
    "decay": Key(
        Kind.TEXT, "How a record loses worth while it is valid.", needed=False,
        choices=tuple(Decay),
    ),
    "steps": Key(Kind.TABLES, "The steps of decay.", needed=False, keys=STEP),
    "record_type": Key(Kind.TEXT, "The record type that feeds it.", needed=False),
    "open_to_all": Key(Kind.FLAG, "Everybody may do this.", needed=False),
    "open_items": Key(Kind.TEXTS, "The items that everybody may do.", needed=False),
    "illustrative": ILLUSTRATIVE,
}  # fmt: skip
GRANT = {
    "indicator": Key(Kind.TEXT, "The indicator whose records grant points."),
    "unit": Key(Kind.TEXT, "What is granted for.", choices=tuple(Unit)),
    "points": Key(Kind.WHOLE, "Points for one full unit; or else items.", needed=False),
    "items": Key(Kind.WHOLES, "Points by item.", needed=False),
    "illustrative": ILLUSTRATIVE,
}
RANK = {
    "code": Key(Kind.TEXT, "The name of the rank."),
    "title": Key(Kind.TEXT, "What those read who reach it."),
    "among": Key(Kind.TEXT, "Whose totals are compared.", choices=tuple(Among)),
    "period": Key(
        Kind.TEXT, "At the end of each of these totals are compared.", choices=tuple(Period)
    ),
    "top_percent": Key(Kind.WHOLE, "Fewer than so many per cent are above.", needed=False),
    "top_count": Key(Kind.WHOLE, "Or: fewer than so many are above.", needed=False),
    "least_total": Key(Kind.WHOLE, "The least total that is ranked so.", needed=False),
    "illustrative": ILLUSTRATIVE,
}
POINTS = {
    "daily_cap_points": Key(Kind.WHOLE, "The most per citizen, indicator and event date."),
    "lot_days": Key(Kind.WHOLE, "A lot expires so many days after the event."),
    "grant": Key(Kind.TABLES, "Which records grant points.", needed=False, keys=GRANT),
    "illustrative": ILLUSTRATIVE,
}
SCHEME = {
    "code": Key(Kind.TEXT, "The scheme."),
    "version": Key(Kind.TEXT, "A published version never changes."),
    "title": Key(Kind.TEXT, "What citizens read."),
    "catalogue": Key(
        Kind.TEXT, "The information catalogue that ships with it, jinhua without.", needed=False
    ),
    "subject": Key(
        Kind.TEXT, "Whose score it is, a citizen's without.", needed=False, choices=tuple(Subject)
    ),
    "shown": Key(
        Kind.TEXT, "Citizens see the end of the last closed period; without it, today.",
        needed=False, choices=tuple(Period),
    ),
    "effective_on": Key(Kind.DATE, "The first day of this version."),
    "total_cap": Key(Kind.WHOLE, "The most of the total."),
    "legal_basis": Key(Kind.TEXT, "What it stands on in law."),
    "tier": Key(Kind.TABLES, "The tiers.", needed=False, keys=TIER),
    "rank": Key(Kind.TABLES, "What is told of places, to each alone.", needed=False, keys=RANK),
    "dimension": Key(Kind.TABLES, "The first-level dimensions.", keys=DIMENSION),
    "indicator": Key(Kind.TABLES, "The second-level indicators.", keys=INDICATOR),
    "points": Key(Kind.TABLE, "How points are granted.", keys=POINTS),
    "illustrative": ILLUSTRATIVE,
}  # fmt: skip
