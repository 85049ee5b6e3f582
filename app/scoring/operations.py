"""Publishing schemes, taking deliveries with their points, and keeping current scores."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date
from typing import IO, ClassVar
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.households.refusals import HouseholdMissing
from app.kernel.database import transaction
from app.kernel.errors import Conflict, NotFound
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.queries import find_masked_profile
from app.records.operations import (
    AT_ONCE_MAX_BYTES,
    DeliveryRequest,
    receive_file,
    take_at_once,
)
from app.records.queries import DeliveryReport, catalogue_in_force, current_day
from app.records.reading import CSV_MAX_BYTES
from app.records.uploads import Upload
from app.records.working import LEASE_SECONDS, Consequences, Worker
from app.scoring.explanations import LINES_MAX, ExplainedScore, explain_score
from app.scoring.models import (
    SchemeDecision,
    SchemeDimension,
    SchemeIndicator,
    SchemeTier,
    SchemeValue,
    SchemeVersion,
)
from app.scoring.outlook import Outlook, find_running, list_changes, list_ways
from app.scoring.posting import LedgerPoints
from app.scoring.queries import scheme_in_force
from app.scoring.ranks import forget_ranks
from app.scoring.recomputations import Recomputation, finish_running, start_recomputation
from app.scoring.refreshing import store_scores
from app.scoring.scheme import Scheme, Subject, parse_scheme
from app.scoring.showing import ScoreNotShownYet, Shown, find_shown
from app.scoring.subjects import find_subjects

# Whoever decides about a version has seen every decision before.
ONE_DECISION_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('schemes', 0))")

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


class SchemeNotFirst(Conflict):
    """Only the first version of a programme is published at once, by one person."""

    code: ClassVar[str] = "scheme_not_first"
    title: ClassVar[str] = "A later version is proposed by one operator and confirmed by another"
    advice: ClassVar[str] = "已有评分规则，新版本须由一名工作人员提出、另一名工作人员确认。"


class ScoreNotFound(NotFound):
    """There is no result of this citizen for this day."""

    code: ClassVar[str] = "score_not_found"
    title: ClassVar[str] = "There is no score for this day"
    advice: ClassVar[str] = "该日期没有评分结果：尚未加入、已退出，或评分已暂停。"


def publish_scheme(*, document: str) -> Scheme:
    """Publish the first scheme of a programme from its TOML text; the same again changes nothing.

    SchemeError when the text does not make sense; SchemeNotFirst for a later version, which is
    proposed by one operator and confirmed by another (`versions`).
    """
    scheme = parse_scheme(document, catalogue=catalogue_in_force())
    with transaction() as session:
        session.execute(ONE_DECISION_AT_A_TIME)
        held = session.get(SchemeVersion, (scheme.code, scheme.version))
        if held is not None and held.document != scheme.document:
            raise SchemeVersionTaken
        decision = session.get(SchemeDecision, (scheme.code, scheme.version))
        if decision is not None and decision.decision == "activated":
            return scheme
        if held is not None or scheme_in_force(on=date.max) is not None:
            raise SchemeNotFirst
        insert_scheme(session, scheme)
        put_in_force(session, scheme)
    return scheme


def receive_delivery(
    *,
    keys: KeyProvider,
    request: DeliveryRequest,
    upload: Upload,
    at_once_max_bytes: int = AT_ONCE_MAX_BYTES,
) -> DeliveryReport:
    """Take a department's file in: judged at once when it is small and nothing waits before it.

    The report says whether it is finished.  The same id with the same file gives the report that
    there is.
    """
    if scheme_in_force(on=request.delivered_on) is None:
        upload.discard()
        raise SchemeNotPublished
    report = receive_file(request=request, upload=upload)
    return take_at_once(
        worker=delivery_worker(keys=keys), report=report, at_once_max_bytes=at_once_max_bytes
    )


def put_in_force(
    session: Session,
    scheme: Scheme,
    *,
    dry_run_id: UUID | None = None,
    decided_by: UUID | None = None,
    reason: str = "",
) -> None:
    """Let stored rules apply from their date on."""
    session.execute(insert(SchemeDecision).values(
        scheme_code=scheme.code, version=scheme.version, decision="activated",
        effective_on=scheme.effective_on, dry_run_id=dry_run_id, decided_by=decided_by,
        reason=reason,
    ))


def take_delivery(
    *, keys: KeyProvider, request: DeliveryRequest, file: IO[bytes]
) -> DeliveryReport:
    """Take a department's open file of any size, here and now, if nothing waits before it."""
    upload = Upload.of(keys, file)
    return receive_delivery(
        keys=keys, request=request, upload=upload, at_once_max_bytes=CSV_MAX_BYTES
    )


def delivery_worker(
    *,
    keys: KeyProvider,
    lease_seconds: float = LEASE_SECONDS,
    must_stop: Callable[[], bool] = lambda: False,
) -> Worker:
    """Who works off deliveries: rows are kept, points posted and scores refreshed together.

    A claim runs out `lease_seconds` after its last chunk; so long a dead worker holds things up.
    """
    return Worker(
        keys=keys,
        consequences=Consequences(points=_points, refresh=_refresh),
        lease_seconds=lease_seconds,
        must_stop=must_stop,
    )


def _points(session: Session, on: date) -> LedgerPoints:
    scheme = scheme_in_force(on=on)
    if scheme is None:
        raise SchemeNotPublished
    return LedgerPoints(session, scheme)


def _refresh(citizen_ids: Collection[UUID]) -> None:
    """The register comes before the first scheme, too; whoever it brings has no score yet."""
    if scheme_in_force(on=current_day()) is not None:
        refresh_citizens(citizen_ids=citizen_ids)


def refresh_citizens(*, citizen_ids: Collection[UUID], as_of: date | None = None) -> None:
    """Store the current score of some citizens, in the open transaction."""
    as_of = as_of or current_day()
    scheme = scheme_in_force(on=as_of)
    if scheme is None:
        raise SchemeNotPublished
    subjects = find_subjects(scheme=scheme, citizen_ids=citizen_ids, as_of=as_of)
    store_scores(scheme=scheme, as_of=as_of, citizen_ids={*subjects.values()})


def refresh_household(*, head_id: UUID, is_over: bool = False) -> None:
    """Store the score of a household whose adults have changed; of one that is over, nothing."""
    scheme = scheme_in_force(on=current_day())
    if scheme is not None and scheme.subject is Subject.HOUSEHOLD:
        with transaction():
            if is_over:
                forget_ranks(citizen_id=head_id)
            store_scores(scheme=scheme, as_of=current_day(), citizen_ids=[head_id])


def refresh_scores(
    *, as_of: date | None = None, slices: int | None = None, at_once: int = 1
) -> int:
    """Compute and store the score of everybody here and now; how many changed.

    A recomputation that runs already is finished first.  None before the first scheme is published.
    """
    finish_running(at_once=at_once)
    started = start_recomputation(recomputation_id=new_id(), as_of=as_of, slices=slices)
    return finish_running(at_once=at_once) if started else 0


def order_recomputation(*, recomputation_id: UUID, staff_id: UUID) -> Recomputation:
    """Have the worker compute everybody's score for today; the same id again changes nothing."""
    started = start_recomputation(recomputation_id=recomputation_id, staff_id=staff_id)
    if started is None:
        raise SchemeNotPublished
    return started


def open_score(
    *,
    keys: KeyProvider,
    citizen_id: UUID,
    as_of: date | None = None,
    after_line: int = 0,
    limit: int = LINES_MAX,
) -> ExplainedScore:
    """The explained result of an active citizen on a day (default: now), with a page of lines.

    A day to come is told as it would be if nothing else were delivered.  By a scheme that is shown
    by periods, the end of the last period closed by that day; by one over households, that of the
    household.
    """
    today = current_day()
    profile = find_masked_profile(keys=keys, citizen_id=citizen_id)
    if profile is None or profile.status != "active":
        raise ScoreNotFound
    shown = find_shown(asked_on=as_of or today, today=today)
    if shown is None:
        raise SchemeNotPublished
    subject_id = _find_subject(shown, citizen_id, today)
    if subject_id is None or profile.joined_on > shown.as_of_on:
        raise ScoreNotFound if as_of else _nothing_yet(shown)
    found = explain_score(
        scheme=shown.scheme, as_of=shown.as_of_on, citizen_id=subject_id, viewer_id=citizen_id,
        keys=keys, after_line=after_line, limit=limit,
    )
    return replace(found, next_shown_on=shown.next_shown_on)


def _find_subject(shown: Shown, citizen_id: UUID, today: date) -> UUID | None:
    """Whose score is the citizen's on the day shown; HouseholdMissing who is in none now."""
    now, then = (
        find_subjects(scheme=shown.scheme, citizen_ids=[citizen_id], as_of=day)
        for day in (today, shown.as_of_on)
    )
    if citizen_id not in now:
        raise HouseholdMissing
    return then.get(citizen_id)


def _nothing_yet(shown: Shown) -> NotFound:
    if shown.next_shown_on is None:
        return ScoreNotFound()
    return ScoreNotShownYet(shown_on=shown.next_shown_on.isoformat())


def open_outlook(*, keys: KeyProvider, citizen_id: UUID) -> Outlook:
    """What changes by itself soon, and what an active citizen may do for the next tier.

    By a scheme that is shown by periods no change is told: it would tell what is not shown yet.
    """
    now = open_score(keys=keys, citizen_id=citizen_id, limit=0)
    head, scheme, as_of = now.score.citizen_id, now.scheme, now.score.as_of_on
    running = find_running(citizen_id=head, scheme=scheme, as_of=as_of)
    changes = () if now.next_shown_on else list_changes(
        citizen_id=head, scheme=scheme, as_of=as_of
    )
    return Outlook(
        now=now,
        changes=changes,
        ways=list_ways(now, running=running),
    )


def open_current_scheme() -> Scheme:
    """The published rules that apply now."""
    scheme = scheme_in_force(on=current_day())
    if scheme is None:
        raise SchemeNotPublished
    return scheme


def insert_scheme(session: Session, scheme: Scheme) -> None:
    """Store a version's text and rules; they apply when it is decided so."""
    names = {"scheme_code": scheme.code, "version": scheme.version}
    session.execute(
        insert(SchemeVersion).values(
            **names,
            effective_on=scheme.effective_on,
            total_cap=scheme.total_cap,
            content_hash=scheme.content_hash,
            document=scheme.document,
            gives_benefits=scheme.gives_benefits,
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
                "record_type": one.record_type or None,
                "measure": one.measure,
                "value": one.value,
                "period": one.period.value if one.period else None,
                "period_cap": one.period_cap,
                "decay": one.decay.value if one.decay else None,
                "decay_days": [step.from_day for step in one.steps] or None,
                "decay_shares": [step.share for step in one.steps] or None,
                "until_record_ends": one.until_record_ends,
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
    tiers = [{**names, "tier": one.code, "least_total": one.least_total} for one in scheme.tiers]
    if tiers:
        session.execute(insert(SchemeTier), tiers)
