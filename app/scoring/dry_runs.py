"""Trying a proposed version on everybody before it applies: a job, by the arithmetic of the score.

Both versions are computed for the day on which the draft would begin to apply, over the records as
they are now, so that a difference comes from the rules alone.  Each citizen counts with the score
that is theirs: their own, or that of their household.  Who has none by one of the versions, because
they are in no household, is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Select,
    Uuid,
    bindparam,
    false,
    func,
    insert,
    select,
    true,
    union_all,
    update,
)

from app.kernel import outbox
from app.kernel.database import alone, reading, transaction
from app.kernel.errors import IdReused, NotFound
from app.kernel.ids import id_slices
from app.kernel.keys import KeyProvider
from app.members.classes import open_coarse_classes
from app.scoring.figures import NO_TIER, Comparison, Outcome
from app.scoring.models import SchemeDryRun
from app.scoring.queries import published_scheme
from app.scoring.scheme import Scheme, Subject
from app.scoring.subjects import find_subjects
from app.scoring.totals import select_totals
from app.scoring.version_queries import (
    DryRun,
    VersionName,
    find_dry_run,
    last_activated,
    unfinished_dry_runs,
)
from app.scoring.versions import require_open
from app.trail.assessments import AssessmentMissing
from app.trail.operations import Actor, record_act, require_reason

DRY_RUN_TOPIC = "scheme_dry_run"
SLICES = 64
_FIRST, _LAST = bindparam("first", type_=Uuid()), bindparam("last", type_=Uuid())
_HEADS = bindparam("heads", type_=ARRAY(Uuid()))

Outcomes = dict[UUID, Outcome]


class DryRunUnknown(NotFound):
    """There is no such dry run."""

    code: ClassVar[str] = "dry_run_unknown"
    title: ClassVar[str] = "There is no such dry run"
    advice: ClassVar[str] = "没有找到该试算。"


@dataclass(frozen=True)
class _Sides:
    """The two versions of a dry run."""

    base: Scheme | None
    draft: Scheme
    as_of: date

    @cached_property
    def results(self) -> CompoundSelect[Any]:
        """A slice by both versions in one statement, hence one snapshot.

        No delivery falls between the two sides.
        """
        sides = [(true(), self.draft)] + ([(false(), self.base)] if self.base else [])
        return union_all(*(_results_of(scheme, is_draft) for is_draft, scheme in sides))


def _results_of(scheme: Scheme, is_draft: ColumnElement[bool]) -> Select[Any]:
    heads = scheme.subject is Subject.HOUSEHOLD  # they stand in any slice
    t = select_totals(scheme, among=lambda citizen_id: (
        citizen_id == func.any(_HEADS) if heads else citizen_id.between(_FIRST, _LAST)
    )).subquery().c  # fmt: skip
    return select(is_draft.label("is_draft"), t.citizen_id, t.total, t.tier)


def request_dry_run(
    *, name: VersionName, dry_run_id: UUID, operator_id: UUID, reason: str
) -> DryRun:
    """Ask for a dry run of a draft against the version before it; a worker carries it out.

    The same id again changes nothing.
    """
    reason = require_reason(reason)
    with transaction() as session:
        known = find_dry_run(dry_run_id=dry_run_id)
        if known is not None and known.name != name:
            raise IdReused
        if known is None:
            draft, base = require_open(name), last_activated()
            if draft.assessment_id is None:
                raise AssessmentMissing
            session.execute(insert(SchemeDryRun).values(
                dry_run_id=dry_run_id, scheme_code=name.code, version=name.version,
                content_hash=draft.content_hash,
                base_code=base.name.code if base else None,
                base_version=base.name.version if base else None,
                as_of_on=draft.effective_on, assessment_id=draft.assessment_id,
                requested_by=operator_id, reason=reason, slice_count=SLICES,
            ))
            record_act(
                actor=Actor("operator", operator_id), action="dry_run_requested",
                subject=_subject(name), reason=reason, basis=f"dry run {dry_run_id}",
            )
            # Messages are spread by an id; this one belongs to no citizen.
            outbox.put(citizen_id=dry_run_id, topic=DRY_RUN_TOPIC, payload={})
    return show_dry_run(dry_run_id=dry_run_id)


def show_dry_run(*, dry_run_id: UUID) -> DryRun:
    """A dry run and how far it is."""
    found = find_dry_run(dry_run_id=dry_run_id)
    if found is None:
        raise DryRunUnknown
    return found


def carry_out_dry_run(*, keys: KeyProvider, dry_run_id: UUID) -> None:
    """Compute a dry run that was asked for, from its beginning.

    One that ended before stays as it is, and so does one that another worker is at.
    """
    with alone(f"dry run {dry_run_id}") as is_alone:
        run = show_dry_run(dry_run_id=dry_run_id)
        if run.ended_at is not None or not is_alone:
            return
        _update(run, started_at=func.now(), slices_done=0)
        comparison = compare(keys=keys, run=run)
        _update(run, figures=comparison.protected(), ended_at=func.now())


def resume_dry_runs(*, keys: KeyProvider) -> None:
    """Carry out the dry runs that nobody is at: their worker died, or gave up."""
    for dry_run_id in unfinished_dry_runs():
        carry_out_dry_run(keys=keys, dry_run_id=dry_run_id)


def compare(*, keys: KeyProvider, run: DryRun) -> Comparison:
    """Everybody by both versions of a dry run, counted exactly: not for showing."""
    sides = _sides(run)
    counted = Comparison(base=sides.base, draft=sides.draft)
    slices = id_slices(run.slice_count)
    classes = open_coarse_classes(
        keys=keys, slices=slices, on=run.as_of_on, actor=Actor("operator", run.requested_by),
        subject=_subject(run.name), reason=run.reason, assessment_id=run.assessment_id,
    )
    for done, ((first, last), people) in enumerate(zip(slices, classes, strict=True), start=1):
        before, after = _results(sides, first, last, [one.citizen_id for one in people])
        counted.add(people, before=before, after=after)
        _update(run, slices_done=done)
    return counted


def _sides(run: DryRun) -> _Sides:
    base, draft = run.base, run.name
    return _Sides(
        base=published_scheme(code=base.code, version=base.version) if base else None,
        draft=published_scheme(code=draft.code, version=draft.version), as_of=run.as_of_on,
    )


def _results(
    sides: _Sides, first: UUID, last: UUID, citizen_ids: Sequence[UUID]
) -> tuple[Outcomes, Outcomes]:
    """Of those who have a score, by the version before and by the draft."""
    found: dict[bool, Outcomes] = {False: {}, True: {}}
    subjects = [_subjects(one, citizen_ids, sides.as_of) for one in (sides.base, sides.draft)]
    heads = {head for of in subjects for head in of.values()}
    with reading() as session:
        asked = {"as_of": sides.as_of, "first": first, "last": last, "heads": [*heads]}
        rows = session.execute(sides.results, asked)
        for is_draft, citizen_id, total, tier in rows:
            found[is_draft][citizen_id] = Outcome(total, tier or NO_TIER)
    return (
        _of_each(subjects[0], found[False], Outcome.without_records(sides.base)),
        _of_each(subjects[1], found[True], Outcome.without_records(sides.draft)),
    )


def _subjects(
    scheme: Scheme | None, citizen_ids: Sequence[UUID], as_of: date
) -> Mapping[UUID, UUID]:
    if scheme is None:
        return {one: one for one in citizen_ids}
    return find_subjects(scheme=scheme, citizen_ids=citizen_ids, as_of=as_of)


def _of_each(subjects: Mapping[UUID, UUID], found: Outcomes, nothing: Outcome) -> Outcomes:
    return {citizen: found.get(subject, nothing) for citizen, subject in subjects.items()}


def _update(run: DryRun, **values: object) -> None:
    with transaction() as session:
        session.execute(
            update(SchemeDryRun)
            .where(SchemeDryRun.dry_run_id == run.dry_run_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _subject(name: VersionName) -> str:
    return f"scheme {name.code} {name.version}"
