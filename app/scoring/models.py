"""Tables of the scoring room."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    false,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


def _of_a_version() -> ForeignKeyConstraint:
    """What stands of a version of a scheme; each table takes one of its own."""
    return ForeignKeyConstraint(
        ["scheme_code", "version"], ["scheme_versions.scheme_code", "scheme_versions.version"]
    )


class SchemeVersion(Base):
    """A version of a scheme: its text, and from when it is to apply; see `SchemeDecision`."""

    __tablename__ = "scheme_versions"

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    effective_on: Mapped[date]
    total_cap: Mapped[int]
    content_hash: Mapped[bytes]
    document: Mapped[str]
    gives_benefits: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeDimension(Base):
    """A dimension and its cap."""

    __tablename__ = "scheme_dimensions"
    __table_args__ = (_of_a_version(),)

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    cap: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeIndicator(Base):
    """An indicator: what feeds it, by which rule, up to which cap."""

    __tablename__ = "scheme_indicators"
    __table_args__ = (
        ForeignKeyConstraint(
            ["scheme_code", "version", "dimension"],
            [
                "scheme_dimensions.scheme_code",
                "scheme_dimensions.version",
                "scheme_dimensions.dimension",
            ],
        ),
        CheckConstraint(
            "rule IN ('base', 'factor', 'per_unit', 'table', 'best_of', 'once')", name="rule"
        ),
        CheckConstraint("(rule = 'base') = (record_type IS NULL)", name="base"),
        CheckConstraint(
            "period IN ('month', 'quarter', 'year')"
            " AND (period_cap IS NULL OR period IS NOT NULL)",
            name="period",
        ),
        CheckConstraint(
            "decay IN ('linear', 'steps')"
            " AND (decay = 'linear') <= (validity_days IS NOT NULL)"
            " AND coalesce(decay = 'steps', false) = (decay_days IS NOT NULL)"
            " AND (decay_days IS NULL) = (decay_shares IS NULL)",
            name="decay",
        ),
        CheckConstraint(
            "(rule = 'per_unit') = (unit IS NOT NULL)"
            " AND unit IN ('record', 'hour', 'hundred_yuan', 'month')",
            name="unit",
        ),
    )

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    indicator: Mapped[str] = mapped_column(primary_key=True)
    dimension: Mapped[str]
    rule: Mapped[str]
    unit: Mapped[str | None]
    cap: Mapped[int]
    validity_days: Mapped[int | None]
    record_type: Mapped[str | None]
    measure: Mapped[str | None]
    value: Mapped[Decimal | None] = mapped_column(Numeric())
    period: Mapped[str | None]
    period_cap: Mapped[Decimal | None] = mapped_column(Numeric())
    decay: Mapped[str | None]
    decay_days: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    decay_shares: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric))
    until_record_ends: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeValue(Base):
    """An item that feeds an indicator, and its value."""

    __tablename__ = "scheme_values"
    __table_args__ = (
        ForeignKeyConstraint(
            ["scheme_code", "version", "indicator"],
            [
                "scheme_indicators.scheme_code",
                "scheme_indicators.version",
                "scheme_indicators.indicator",
            ],
        ),
    )

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    indicator: Mapped[str] = mapped_column(primary_key=True)
    item: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Decimal] = mapped_column(Numeric())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeTier(Base):
    """A tier and the least total that reaches it."""

    __tablename__ = "scheme_tiers"
    __table_args__ = (_of_a_version(),)

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    tier: Mapped[str] = mapped_column(primary_key=True)
    least_total: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeProposal(Base):
    """A version that somebody proposed, and the impact assessment behind it."""

    __tablename__ = "scheme_proposals"
    __table_args__ = (_of_a_version(),)

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    assessment_id: Mapped[UUID]
    proposed_by: Mapped[UUID]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeNotice(Base):
    """What everybody is told about a version that is to come; from then on it is public."""

    __tablename__ = "scheme_notices"
    __table_args__ = (_of_a_version(),)

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    notice: Mapped[str]
    published_by: Mapped[UUID]
    published_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeComment(Base):
    """What a citizen said about a version under notice; who it was is kept nowhere."""

    __tablename__ = "scheme_comments"
    __table_args__ = (_of_a_version(),)

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    comment_id: Mapped[UUID] = mapped_column(primary_key=True)
    comment: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeDryRun(Base):
    """What a version would do to everybody, compared with the version before it."""

    __tablename__ = "scheme_dry_runs"
    __table_args__ = (
        _of_a_version(),
        Index(None, "scheme_code", "version"),
        CheckConstraint("(figures IS NULL) = (ended_at IS NULL)", name="figures"),
    )

    dry_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    scheme_code: Mapped[str]
    version: Mapped[str]
    content_hash: Mapped[bytes]
    base_code: Mapped[str | None]
    base_version: Mapped[str | None]
    as_of_on: Mapped[date]
    assessment_id: Mapped[UUID]
    requested_by: Mapped[UUID]
    reason: Mapped[str]
    slice_count: Mapped[int]
    slices_done: Mapped[int] = mapped_column(server_default=text("0"))
    figures: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeDecision(Base):
    """The one decision on a version: activated from its date on, or withdrawn."""

    __tablename__ = "scheme_decisions"
    __table_args__ = (
        _of_a_version(),
        CheckConstraint("decision IN ('activated', 'withdrawn')", name="decision"),
        Index(
            "uq_scheme_decisions__effective_on", "effective_on", unique=True,
            postgresql_where=text("decision = 'activated'"),
        ),
    )

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    decision: Mapped[str]
    effective_on: Mapped[date]
    dry_run_id: Mapped[UUID | None]
    decided_by: Mapped[UUID | None]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Score(Base):
    """The current result of a citizen, as `select_totals` gave it for `as_of_on`.

    It holds until `changes_on`, the first day on which it may change without a delivery.
    """

    __tablename__ = "scores"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    total: Mapped[int]
    tier: Mapped[str | None]
    dimensions: Mapped[dict[str, Any]]
    scheme_code: Mapped[str]
    scheme_version: Mapped[str]
    as_of_on: Mapped[date]
    changes_on: Mapped[date | None] = mapped_column(index=True)
    computed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ScoreRecomputation(Base):
    """One pass over the scores of everybody, slice by slice; one runs at a time."""

    __tablename__ = "score_recomputations"
    __table_args__ = (
        Index(
            "uq_score_recomputations__is_running", "is_running", unique=True,
            postgresql_where=text("is_running"),
        ),
        CheckConstraint(
            "slice_count > 0 AND slices_done BETWEEN 0 AND slice_count", name="slices"
        ),
        CheckConstraint(
            "is_running = (finished_at IS NULL) AND is_running = (slices_done < slice_count)",
            name="finished",
        ),
    )

    recomputation_id: Mapped[UUID] = mapped_column(primary_key=True)
    scheme_code: Mapped[str]
    scheme_version: Mapped[str]
    as_of_on: Mapped[date]
    staff_id: Mapped[UUID | None]
    slice_count: Mapped[int]
    slices_done: Mapped[int] = mapped_column(server_default="0")
    changed_count: Mapped[int] = mapped_column(server_default="0")
    is_running: Mapped[bool] = mapped_column(server_default="true")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class RankRound(Base):
    """That a rank of a scheme was computed for the period that closed on a day: once."""

    __tablename__ = "rank_rounds"

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    rank: Mapped[str] = mapped_column(primary_key=True)
    closed_on: Mapped[date] = mapped_column(primary_key=True)
    scheme_version: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RankResult(Base):
    """Whether a subject who took part reached a rank when it was computed last; no place in it."""

    __tablename__ = "rank_results"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    rank: Mapped[str] = mapped_column(primary_key=True)
    closed_on: Mapped[date]
    is_reached: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Publication(Base):
    """Bytes that were published under an address; they never change."""

    __tablename__ = "publications"

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    published_on: Mapped[date]
    content: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RecordGrant(Base):
    """What a version of a record granted; only the one in force counts against the daily cap."""

    __tablename__ = "record_grants"
    __table_args__ = (
        Index(None, "citizen_id", "indicator", "event_on"),
        CheckConstraint(
            "granted_points >= 0 AND (granted_points > 0) = (transfer_id IS NOT NULL)",
            name="points",
        ),
    )

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    record_type: Mapped[str] = mapped_column(primary_key=True)
    record_number: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    indicator: Mapped[str]
    event_on: Mapped[date]
    expires_on: Mapped[date]
    granted_points: Mapped[int]
    transfer_id: Mapped[UUID | None]
    in_force: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS: dict[str, TableKind] = {
    "scheme_versions": TableKind.REFERENCE,
    "scheme_dimensions": TableKind.REFERENCE,
    "scheme_indicators": TableKind.REFERENCE,
    "scheme_values": TableKind.REFERENCE,
    "scheme_tiers": TableKind.REFERENCE,
    "scheme_proposals": TableKind.REFERENCE,
    "scheme_notices": TableKind.REFERENCE,
    "scheme_decisions": TableKind.REFERENCE,
    "scheme_comments": TableKind.LOCAL,
    "scheme_dry_runs": TableKind.LOCAL,
    "scores": TableKind.CITIZEN,
    "score_recomputations": TableKind.LOCAL,
    "rank_rounds": TableKind.LOCAL,
    "rank_results": TableKind.CITIZEN,
    "publications": TableKind.REFERENCE,
    "record_grants": TableKind.CITIZEN,
}
