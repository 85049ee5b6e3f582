"""Standing checks: the worker runs them, their last result stands in a table for the metrics."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, reading, transaction

log = logging.getLogger(__name__)


class CheckResult(Base):
    """What the last run of a check found."""

    __tablename__ = "check_results"

    name: Mapped[str] = mapped_column(primary_key=True)
    finding_count: Mapped[int]
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())


def record_result(*, name: str, findings: Sequence[object]) -> None:
    """Keep the result of a check; each of the first findings is a log line."""
    for finding in findings[:20]:
        log.error("check failed", extra={"check": name, "finding": str(finding)})
    record_count(name=name, count=len(findings))


def record_count(*, name: str, count: int) -> None:
    """Keep how many things of a kind there are that somebody has to look at."""
    with transaction() as session:
        session.execute(
            text("""
            INSERT INTO check_results (name, finding_count, checked_at)
            VALUES (:name, :count, now())
            ON CONFLICT (name) DO UPDATE
            SET finding_count = excluded.finding_count, checked_at = excluded.checked_at
            """),
            {"name": name, "count": count},
        )


def check_state() -> dict[str, float]:
    """Gauges: per check how many findings the last run had, and its age in seconds."""
    with reading() as session:
        rows = session.execute(
            select(
                CheckResult.name,
                CheckResult.finding_count,
                func.extract("epoch", func.now() - CheckResult.checked_at),
            )
        ).all()
    return {
        key: float(value)
        for name, count, age in rows
        for key, value in ((f"{name}_findings", count), (f"{name}_check_age_seconds", age))
    }
