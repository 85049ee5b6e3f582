"""Tables of the scoring room; the SQL stands in migration 0006."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class SchemeVersion(Base):
    """A published version of a scheme: its text, and from when it applies."""

    __tablename__ = "scheme_versions"
    __table_args__ = (UniqueConstraint("effective_on"),)

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    effective_on: Mapped[date]
    total_cap: Mapped[int]
    content_hash: Mapped[bytes]
    document: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SchemeDimension(Base):
    """A dimension and its cap."""

    __tablename__ = "scheme_dimensions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["scheme_code", "version"],
            ["scheme_versions.scheme_code", "scheme_versions.version"],
        ),
    )

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
            "rule IN ('factor', 'per_unit', 'table', 'best_of', 'once')", name="rule"
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
    record_type: Mapped[str]
    measure: Mapped[str | None]
    value: Mapped[Decimal | None] = mapped_column(Numeric())
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
    __table_args__ = (
        ForeignKeyConstraint(
            ["scheme_code", "version"],
            ["scheme_versions.scheme_code", "scheme_versions.version"],
        ),
    )

    scheme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    tier: Mapped[str] = mapped_column(primary_key=True)
    least_total: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Score(Base):
    """The current result of a citizen, as `score_totals` gave it for `as_of_on`."""

    __tablename__ = "scores"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    total: Mapped[int]
    tier: Mapped[str | None]
    dimensions: Mapped[dict[str, Any]]
    scheme_code: Mapped[str]
    scheme_version: Mapped[str]
    as_of_on: Mapped[date]
    computed_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
    "scores": TableKind.CITIZEN,
    "record_grants": TableKind.CITIZEN,
}
