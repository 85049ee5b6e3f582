"""Ranks: who is among the first, computed over those who agreed and told to each of them alone.

A rank is computed once, after its period is over, and then stands: nobody can learn of others by
coming, going and asking again.  What is kept is reached or not reached, never a place, and only of
the last period.  Where few take part nothing is computed at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Text, and_, cast, delete, func, literal, null, outerjoin, select, true
from sqlalchemy.dialects.postgresql import Insert, insert

from app.households.queries import find_heads
from app.kernel.database import reading, transaction, transaction_required
from app.members.operations import GivenConsent, give_consent, withdraw_consent
from app.members.queries import consent_state
from app.records.queries import current_day, settled_day
from app.scoring.counting import AS_OF
from app.scoring.models import RankResult, RankRound
from app.scoring.queries import scheme_in_force
from app.scoring.scheme import Among, Period, RankRule, Scheme
from app.scoring.showing import last_closed_day
from app.scoring.subjects import find_subjects, taking_part_of
from app.scoring.totals import select_totals

RANKING = "ranking"  # the purpose that everybody who is ranked agrees to
PEOPLE_LEAST = 20  # fewer than these are not compared
WAITS_AT_MOST = timedelta(days=7)
HALF = 2  # nor are they where more than one in so many could reach it

REACHED, NOT_REACHED, NOT_RANKED, PENDING = "reached", "not_reached", "not_ranked", "pending"


@dataclass(frozen=True)
class ToldRank:
    """What a subject is told of a rank for the period that closed last.

    `outcome`: reached, not_reached, not_ranked (took no part, or too few did), pending (not yet
    computed).
    """

    rule: RankRule
    closed_on: date
    outcome: str


@dataclass(frozen=True)
class ToldRanks:
    """A citizen's consent, whether the citizen or every adult of the household takes part, and how.

    Without taking part nothing is told.
    """

    consent_state: str
    takes_part: bool
    ranks: tuple[ToldRank, ...]


def keep_ranks(*, today: date | None = None) -> int:
    """Compute what has not been computed for the periods that closed last; how many ranks.

    Not while deliveries of the last day may still come, but after a week in any case.
    """
    today = today or current_day()
    settled_on = max(settled_day(), today - WAITS_AT_MOST)
    count = 0
    for period in Period:
        closed_on = last_closed_day(period, today)
        scheme = scheme_in_force(on=closed_on)
        if scheme is not None and closed_on < settled_on:
            rules = [one for one in scheme.ranks if one.period is period]
            count += sum(_compute(scheme, one, closed_on) for one in rules)
    return count


def open_ranks(*, citizen_id: UUID) -> ToldRanks:
    """What a citizen is told about the ranks of the scheme that applies."""
    today = current_day()
    scheme = scheme_in_force(on=today)
    rules = scheme.ranks if scheme else ()
    state = consent_state(citizen_id=citizen_id, purpose=RANKING)
    subject_id = _find_taking_part(scheme, citizen_id, today) if scheme else None
    if scheme is None or subject_id is None:
        return ToldRanks(state, takes_part=False, ranks=())
    told = tuple(_told(scheme, rule, subject_id, today) for rule in rules)
    return ToldRanks(state, takes_part=True, ranks=told)


def take_part(*, citizen_id: UUID, text_version: int) -> ToldRanks:
    """Agree to be ranked, from the next closing on.  ConsentStale."""
    with transaction():
        if consent_state(citizen_id=citizen_id, purpose=RANKING) != "given":
            give_consent(citizen_id=citizen_id, given=GivenConsent(RANKING, text_version))
    return open_ranks(citizen_id=citizen_id)


def stop_taking_part(*, citizen_id: UUID) -> None:
    """Withdraw the consent; what was computed of the citizen and the household is deleted."""
    with transaction():
        withdraw_consent(citizen_id=citizen_id, purpose=RANKING)
        forget_shared_ranks(citizen_id=citizen_id)


def forget_shared_ranks(*, citizen_id: UUID) -> None:
    """What goes with the consent: the citizen's ranks and the household's.

    In the open transaction; the consent itself is the caller's to withdraw.
    """
    heads = find_heads(citizen_ids=[citizen_id], as_of=current_day())
    for subject_id in {citizen_id, *heads.values()}:
        forget_ranks(citizen_id=subject_id)


def forget_ranks(*, citizen_id: UUID) -> None:
    """Nothing stays here of a citizen's ranks, or of the household's, in the open transaction."""
    transaction_required().execute(
        delete(RankResult).where(RankResult.citizen_id == citizen_id)
    )


def _compute(scheme: Scheme, rule: RankRule, closed_on: date) -> int:
    """Compute a rank, once: the round is taken before, and the results of the last one go."""
    with transaction() as session:
        taken = session.scalar(
            insert(RankRound)
            .values(
                scheme_code=scheme.code, rank=rule.code, closed_on=closed_on,
                scheme_version=scheme.version,
            )
            .on_conflict_do_nothing()
            .returning(RankRound.rank)
        )
        if taken is None:
            return 0
        session.execute(delete(RankResult).where(
            RankResult.scheme_code == scheme.code, RankResult.rank == rule.code
        ))
        session.connection().execute(_placing(scheme, rule), {"as_of": closed_on})
    return 1


def _placing(scheme: Scheme, rule: RankRule) -> Insert:
    """Who reaches a rank, among those who take part and are enough.

    Equal totals are equal: rank() counts who is strictly above.
    """
    w = taking_part_of(scheme.subject, AS_OF).c
    t = select_totals(scheme, among=lambda _: true()).subquery("t").c
    by_village = rule.among is Among.VILLAGE
    place = w.village_code if by_village else cast(null(), Text())
    s = (
        select(w.citizen_id, func.coalesce(t.total, 0).label("total"), place.label("place"))
        .select_from(outerjoin(w.citizen_id.table, t.citizen_id.table,
                               w.citizen_id == t.citizen_id))
        .where(w.village_code.is_not(None) if by_village else true())
    ).subquery("s").c  # fmt: skip
    above = func.rank().over(partition_by=s.place, order_by=s.total.desc()) - 1
    people = func.count().over(partition_by=s.place)
    p = select(s.citizen_id, s.total, people.label("people"), above.label("above")).subquery("p").c
    is_first = (
        p.above * 100 < rule.top_percent * p.people if rule.top_count is None
        else p.above < rule.top_count
    )
    rows = select(
        p.citizen_id, literal(scheme.code), literal(rule.code), AS_OF,
        and_(p.total >= rule.least_total, is_first),
    ).where(p.people >= max(PEOPLE_LEAST, HALF * (rule.top_count or 0)))
    columns = ["citizen_id", "scheme_code", "rank", "closed_on", "is_reached"]
    return insert(RankResult).from_select(columns, rows)


def _find_taking_part(scheme: Scheme, citizen_id: UUID, today: date) -> UUID | None:
    """The subject that is ranked for a citizen: when the citizen, or every adult, agrees."""
    subjects = find_subjects(scheme=scheme, citizen_ids=[citizen_id], as_of=today)
    w = taking_part_of(scheme.subject, AS_OF).c
    asked = select(w.citizen_id).where(w.citizen_id == subjects.get(citizen_id))
    with reading() as session:
        return session.scalar(asked, {"as_of": today})


def _told(scheme: Scheme, rule: RankRule, subject_id: UUID, today: date) -> ToldRank:
    closed_on = last_closed_day(rule.period, today)
    with reading() as session:
        round_ = session.get(RankRound, (scheme.code, rule.code, closed_on))
        result = session.get(RankResult, (subject_id, scheme.code, rule.code))
    if round_ is None:
        outcome = PENDING
    elif result is None or result.closed_on != closed_on:
        outcome = NOT_RANKED
    else:
        outcome = REACHED if result.is_reached else NOT_REACHED
    return ToldRank(rule, closed_on, outcome)
