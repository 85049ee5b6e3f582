"""What everybody may read and check: rules, also proposed ones, catalogues, assessments, figures.

The worker writes each as JSON bytes once; they never change.  No group of one to nine people can
be read from the figures of a day: tiers are joined with their neighbours, and of a record type it
is not told how many people have it when fewer than ten have it, or fewer than ten have it not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, ClassVar

import orjson
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from app.kernel.clock import city_date, city_today
from app.kernel.database import reading, transaction
from app.kernel.errors import NotFound
from app.records.queries import CatalogueEdition, list_editions
from app.scoring import models
from app.scoring.figures import tier_order
from app.scoring.protection import LEAST, joined_groups, joined_label
from app.scoring.queries import scheme_in_force
from app.scoring.scheme import Period
from app.scoring.showing import next_period, period_start
from app.scoring.version_queries import (
    ANNOUNCED,
    IN_FORCE,
    PAST,
    PROPOSED,
    SchemeState,
    list_versions,
)
from app.trail.queries import Assessment, list_confirmed_assessments

SCHEMES, CATALOGUES, FIGURES = "schemes", "catalogues", "figures"
PROPOSALS = "proposals"
ASSESSMENTS = "assessments"
WAITS = timedelta(days=7)  # what happened off line in a month is told some days later
# What another room tells of the days from one on and before another, protected already.
MonthlyFigures = Callable[[date, date], dict[str, Any]]
# What another room tells on each day.
DailyFigures = Callable[[date], dict[str, Any]]
# One statement, hence one snapshot.  Who has no score yet has no records: the lowest tier.
_COUNTS = text("""
    SELECT true AS is_tier, coalesce(s.tier, :lowest) AS label, count(*) AS people
    FROM citizens_joined(:on) AS c LEFT JOIN scores AS s ON s.citizen_id = c.citizen_id
    GROUP BY 2
    UNION ALL
    SELECT false, held.record_type, count(*)
    FROM (
        SELECT DISTINCT r.citizen_id, r.record_type
        FROM records_live(:on) AS r JOIN citizens_joined(:on) AS c ON c.citizen_id = r.citizen_id
    ) AS held
    GROUP BY 2
""")


class PublicationUnknown(NotFound):
    """Nothing is published under this address."""

    code: ClassVar[str] = "publication_unknown"
    title: ClassVar[str] = "Nothing is published under this address"
    advice: ClassVar[str] = "该地址没有公开内容，请从公开目录中选择。"


@dataclass(frozen=True)
class Publication:
    """Published bytes; `published_on` is the day in the city on which they appeared."""

    kind: str
    name: str
    published_on: date
    content: bytes

    @property
    def sha256(self) -> str:
        """The digest of the bytes, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def list_publications() -> list[Publication]:
    """Everything published, the newest first."""
    newest = models.Publication.published_on.desc()
    query = select(models.Publication).order_by(
        newest, models.Publication.kind, models.Publication.name
    )
    with reading() as session:
        return [_publication(row) for row in session.scalars(query)]


def open_publication(*, kind: str, name: str) -> Publication:
    """One publication; PublicationUnknown."""
    with reading() as session:
        row = session.get(models.Publication, (kind, name))
    if row is None:
        raise PublicationUnknown
    return _publication(row)


def publish_due(
    *, daily: Mapping[str, DailyFigures] = MappingProxyType({}),
    monthly: Mapping[str, MonthlyFigures] = MappingProxyType({}),
) -> int:
    """Publish what is not yet: rules, also proposed ones, catalogues, figures; how many were new.

    `daily` and `monthly` have, by kind, who tells the figures of today, and of a month: of each
    since the first publication that has been over for a week.
    """
    model = models.Publication
    with transaction() as session:
        today = city_today(session)
        published = select(model.kind, model.name, model.published_on)
        held = {(kind, name): on for kind, name, on in session.execute(published)}
        due = {key: said for key, said in _told() if key not in held}
        for kind, told in {FIGURES: figures_of, **daily}.items():
            if (kind, today.isoformat()) not in held:
                due[kind, today.isoformat()] = told(today)
        for first_on, next_on in _months(min(held.values(), default=today), today):
            for kind, figures in monthly.items():
                if (kind, month := f"{first_on:%Y-%m}") not in held:
                    due[kind, month] = figures(first_on, next_on)
        for (kind, name), said in due.items():
            head = {"kind": kind, "name": name, "published_on": today}
            content = orjson.dumps(head | said, option=orjson.OPT_INDENT_2)
            session.execute(
                insert(models.Publication)
                .values(kind=kind, name=name, published_on=today, content=content)
                .on_conflict_do_nothing()
            )
    return len(due)


def figures_of(today: date) -> dict[str, Any]:
    """How many people there are by tier and by type of record, each person counted once."""
    tiers = tier_order(scheme_in_force(on=today))
    with reading() as session:
        rows = session.execute(_COUNTS, {"on": today, "lowest": tiers[0]}).all()
    by_tier = {label: people for is_tier, label, people in rows if is_tier}
    by_type = {label: people for is_tier, label, people in rows if not is_tier}
    order = [*tiers, *sorted(by_tier.keys() - set(tiers))]
    return protected_figures(by_tier=by_tier, order=order, by_type=by_type)


def protected_figures(
    *, by_tier: Mapping[str, int], order: list[str], by_type: Mapping[str, int]
) -> dict[str, Any]:
    """The figures as they may be told; null is a number that is not."""
    members = sum(by_tier.values())
    sizes = [by_tier.get(tier, 0) for tier in order]
    groups = joined_groups(sizes) if members >= LEAST else []
    return {
        "members": members if members >= LEAST else None,
        "tiers": [
            {"tier": joined_label(order, group), "people": sum(sizes[at] for at in group)}
            for group in groups
        ],
        "record_types": [
            {"record_type": kind, "people": _shown(by_type[kind], of=members)}
            for kind in sorted(by_type)
        ],
    }


def _months(since: date, today: date) -> Iterator[tuple[date, date]]:
    """The months from that of a day on that are over for long enough: first days, and next."""
    first_on = period_start(Period.MONTH, since)
    while (next_on := next_period(Period.MONTH, first_on)) + WAITS <= today:
        yield first_on, next_on
        first_on = next_on


def _shown(people: int, *, of: int) -> int | None:
    return None if people < LEAST or 0 < of - people < LEAST else people


def _told() -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for state in list_versions():
        if state.state == PROPOSED:
            yield (PROPOSALS, f"{state.name.code}@{state.name.version}"), _rules(state)
        if state.state in {ANNOUNCED, IN_FORCE, PAST}:
            yield (SCHEMES, f"{state.name.code}@{state.name.version}"), _rules(state)
    for edition in list_editions():
        yield (CATALOGUES, edition.version), _catalogue(edition)
    for one in list_confirmed_assessments():
        yield (ASSESSMENTS, str(one.assessment_id)), _assessment(one)


def _rules(state: SchemeState) -> dict[str, Any]:
    return {
        "code": state.name.code,
        "version": state.name.version,
        "effective_on": state.effective_on,
        "notice": state.notice,
        "notice_published_on": state.notice_published_on,
        "content_hash": state.content_hash.hex(),
        "document": state.document,
    }


def _assessment(one: Assessment) -> dict[str, Any]:
    """Who stands for it is not told, nor what its document says beyond the summary."""
    assert one.confirmed_at is not None, "the others are not told of"
    return {
        "assessment_kind": one.kind,
        "title": one.title,
        "summary": one.summary,
        "covers": [*one.covers],
        "concluded_on": one.concluded_on,
        "confirmed_on": city_date(one.confirmed_at),
        "in_force_until_on": one.in_force_until_on,
        "kept_until_on": one.kept_until_on,
        "document_hash": one.document_hash.hex(),
    }


def _catalogue(edition: CatalogueEdition) -> dict[str, Any]:
    return {
        "version": edition.version,
        "in_force_from": edition.published_on,
        "content_hash": edition.content_hash.hex(),
        "document": edition.document,
    }


def _publication(row: models.Publication) -> Publication:
    return Publication(row.kind, row.name, row.published_on, bytes(row.content))
