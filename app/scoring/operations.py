"""Publishing schemes, taking deliveries with their points, and keeping current scores."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import IO, ClassVar
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Conflict, NotFound
from app.kernel.keys import KeyProvider
from app.members.queries import find_masked_profile
from app.records.catalogue import load_catalogue
from app.records.operations import DeliveryRequest, take_file
from app.records.queries import DeliveryReport, current_day
from app.scoring.explanations import LINES_MAX, ExplainedScore, explain_score
from app.scoring.models import (
    SchemeDimension,
    SchemeIndicator,
    SchemeTier,
    SchemeValue,
    SchemeVersion,
)
from app.scoring.posting import LedgerPoints
from app.scoring.queries import scheme_in_force
from app.scoring.scheme import Scheme, parse_scheme

REFRESH_SLICES = 16
_UUID_PREFIXES = 1 << 32

_REFRESH_SOME = text("""
    INSERT INTO scores AS s
        (citizen_id, total, tier, dimensions, scheme_code, scheme_version, as_of_on)
    SELECT c.citizen_id, coalesce(t.total, 0), t.tier, coalesce(t.dimensions, '{}'), :scheme,
           :version, CAST(:as_of AS date)
    FROM unnest(CAST(:citizens AS uuid[])) AS c (citizen_id)
    LEFT JOIN (
        SELECT * FROM score_totals(CAST(:as_of AS date), :scheme, :version)
        WHERE citizen_id = ANY(CAST(:citizens AS uuid[]))
    ) t ON t.citizen_id = c.citizen_id
    ON CONFLICT (citizen_id) DO UPDATE
    SET total = excluded.total, tier = excluded.tier, dimensions = excluded.dimensions,
        scheme_code = excluded.scheme_code, scheme_version = excluded.scheme_version,
        as_of_on = excluded.as_of_on, computed_at = now()
""")
_REFRESH_SLICE = text("""
    INSERT INTO scores AS s
        (citizen_id, total, tier, dimensions, scheme_code, scheme_version, as_of_on)
    SELECT t.citizen_id, t.total, t.tier, t.dimensions, :scheme, :version, CAST(:as_of AS date)
    FROM score_totals(CAST(:as_of AS date), :scheme, :version) t
    WHERE t.citizen_id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)
    ON CONFLICT (citizen_id) DO UPDATE
    SET total = excluded.total, tier = excluded.tier, dimensions = excluded.dimensions,
        scheme_code = excluded.scheme_code, scheme_version = excluded.scheme_version,
        as_of_on = excluded.as_of_on, computed_at = now()
""")
_EMPTY_SLICE = text("""
    UPDATE scores
    SET total = 0, tier = NULL, dimensions = '{}', scheme_code = :scheme,
        scheme_version = :version, as_of_on = CAST(:as_of AS date), computed_at = now()
    WHERE citizen_id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)
        AND computed_at < now()
""")


class SchemeNotPublished(Conflict):
    """No scheme applies on this day."""

    code: ClassVar[str] = "scheme_not_published"
    title: ClassVar[str] = "No scheme applies on this day"
    advice: ClassVar[str] = "该日期尚无已公布的评分规则，请联系平台管理员。"


class SchemeVersionTaken(Conflict):
    """A published version never changes; changed rules are a new version."""

    code: ClassVar[str] = "scheme_version_taken"
    title: ClassVar[str] = "This scheme version is published with other rules"
    advice: ClassVar[str] = "该版本的评分规则已公布且内容不同，请使用新的版本号。"


class SchemeNotLater(Conflict):
    """A new version begins after the ones before it, so that past results stay as they are."""

    code: ClassVar[str] = "scheme_not_later"
    title: ClassVar[str] = "A new scheme version must begin after the ones before it"
    advice: ClassVar[str] = "新版本的生效日期必须晚于已公布的版本。"


class ScoreNotFound(NotFound):
    """There is no result of this citizen for this day."""

    code: ClassVar[str] = "score_not_found"
    title: ClassVar[str] = "There is no score for this day"
    advice: ClassVar[str] = "该日期没有评分结果：尚未加入、已退出，或评分已暂停。"


def publish_scheme(*, document: str) -> Scheme:
    """Publish a scheme from its TOML text; the same text again changes nothing.

    SchemeError when the text does not make sense.
    """
    scheme = parse_scheme(document, catalogue=load_catalogue())
    with transaction() as session:
        held = session.get(SchemeVersion, (scheme.code, scheme.version))
        if held is not None:
            if held.document != scheme.document:
                raise SchemeVersionTaken
            return scheme
        last = session.scalar(select(func.max(SchemeVersion.effective_on)))
        if last is not None and scheme.effective_on <= last:
            raise SchemeNotLater
        _insert_scheme(session, scheme)
    return scheme


def take_delivery(
    *, keys: KeyProvider, request: DeliveryRequest, file: IO[bytes]
) -> DeliveryReport:
    """Take a department's file: judge and keep its rows, post their points, refresh the scores.

    One transaction: an import that is killed leaves nothing and is sent again with the same id.
    """
    with transaction() as session:
        scheme = scheme_in_force(on=request.delivered_on)
        if scheme is None:
            raise SchemeNotPublished
        points = LedgerPoints(session, scheme)
        taken = take_file(keys=keys, request=request, file=file, points=points)
        refresh_citizens(citizen_ids=taken.citizens)
    return taken.report


def refresh_citizens(*, citizen_ids: Collection[UUID], as_of: date | None = None) -> None:
    """Store the current score of some citizens, in the open transaction."""
    session = transaction_required()
    if not citizen_ids:
        return
    as_of = as_of or current_day()
    parameters = _scheme_parameters(as_of) | {"citizens": list(citizen_ids)}
    session.execute(_REFRESH_SOME, parameters)


def refresh_scores(*, as_of: date | None = None, slices: int = REFRESH_SLICES) -> int:
    """Store the current score of everybody: daily, because validity ends by itself.

    One transaction per slice of the citizens, by their random ids; gives the number of results,
    none before the first scheme is published.
    """
    if scheme_in_force(on=as_of or current_day()) is None:
        return 0
    count = 0
    for at in range(slices):
        first = UUID(int=(_UUID_PREFIXES * at // slices) << 96)
        last = UUID(int=((_UUID_PREFIXES * (at + 1) // slices) << 96) - 1)
        with transaction() as session:
            parameters = _scheme_parameters(as_of or current_day()) | {
                "first": first, "last": last,
            }
            count += session.connection().execute(_REFRESH_SLICE, parameters).rowcount
            count += session.connection().execute(_EMPTY_SLICE, parameters).rowcount
    return count


def open_score(
    *,
    keys: KeyProvider,
    citizen_id: UUID,
    as_of: date | None = None,
    after_line: int = 0,
    limit: int = LINES_MAX,
) -> ExplainedScore:
    """The explained result of an active citizen on a day (default: now), with a page of lines.

    A day to come is told as it would be if nothing else were delivered.
    """
    as_of = as_of or current_day()
    profile = find_masked_profile(keys=keys, citizen_id=citizen_id)
    if profile is None or profile.status != "active" or profile.joined_on > as_of:
        raise ScoreNotFound
    scheme = scheme_in_force(on=as_of)
    if scheme is None:
        raise SchemeNotPublished
    return explain_score(
        scheme=scheme, as_of=as_of, citizen_id=citizen_id, after_line=after_line, limit=limit
    )


def open_current_scheme() -> Scheme:
    """The published rules that apply now."""
    scheme = scheme_in_force(on=current_day())
    if scheme is None:
        raise SchemeNotPublished
    return scheme


def _scheme_parameters(as_of: date) -> dict[str, object]:
    scheme = scheme_in_force(on=as_of)
    if scheme is None:
        raise SchemeNotPublished
    return {"as_of": as_of, "scheme": scheme.code, "version": scheme.version}


def _insert_scheme(session: Session, scheme: Scheme) -> None:
    names = {"scheme_code": scheme.code, "version": scheme.version}
    session.execute(
        insert(SchemeVersion).values(
            **names,
            effective_on=scheme.effective_on,
            total_cap=scheme.total_cap,
            content_hash=scheme.content_hash,
            document=scheme.document,
        )
    )
    session.execute(
        insert(SchemeDimension),
        [{**names, "dimension": one.code, "cap": one.cap} for one in scheme.dimensions],
    )
    session.execute(
        insert(SchemeIndicator),
        [
            {
                **names,
                "indicator": one.code,
                "dimension": one.dimension,
                "rule": one.rule.value,
                "unit": one.unit.value if one.unit else None,
                "cap": one.cap,
                "validity_days": one.validity_days,
                "record_type": one.record_type,
                "measure": one.measure,
                "value": one.value,
            }
            for one in scheme.indicators
        ],
    )
    values = [
        {**names, "indicator": one.code, "item": item, "value": value}
        for one in scheme.indicators
        for item, value in one.items.items()
    ]
    if values:
        session.execute(insert(SchemeValue), values)
    session.execute(
        insert(SchemeTier),
        [{**names, "tier": one.code, "least_total": one.least_total} for one in scheme.tiers],
    )
