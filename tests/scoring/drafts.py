"""Proposals of new versions, by two operators."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import func, insert

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.records.catalogue import load_catalogue
from app.scoring.models import SchemeDryRun
from app.scoring.operations import insert_scheme, put_in_force
from app.scoring.scheme import parse_scheme, read_scheme_file
from app.scoring.version_queries import SchemeState, VersionName, last_activated
from app.scoring.versions import confirm_scheme, propose_scheme, publish_notice, show_version
from tests.trail.assessed import assessed

TEXT = read_scheme_file("jinhua-xinyijin-2026.1")
NOTICE = "志愿服务时长的分值将上调，自公告所列日期起施行，欢迎市民提出意见。"
REASON = "按年度评估结果调整"
NOTICE_DAYS = 30
_serial = itertools.count(1)


def later_text(
    *,
    version: str | None = None,
    effective_on: date | None = None,
    changes: dict[str, str] | None = None,
) -> str:
    """The text of another version; each one by default begins a day after the one made before."""
    number = next(_serial)
    effective_on = effective_on or date(2027, 6, 1) + timedelta(days=number)
    text = TEXT.replace('version = "2026.1"', f'version = "{version or f"2027.{number}"}"', 1)
    text = text.replace("effective_on = 2026-01-01", f"effective_on = {effective_on}", 1)
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    return text


def make_assessment(kind: str = "scoring") -> UUID:
    return assessed(kind)


@dataclass
class Draft:
    """A proposal with the ids of its two operators."""

    document: str
    proposer: UUID = field(default_factory=new_id)
    confirmer: UUID = field(default_factory=new_id)

    @property
    def name(self) -> VersionName:
        scheme = parse_scheme(self.document, catalogue=load_catalogue())
        return VersionName(scheme.code, scheme.version)

    def propose(
        self, *, assessment_id: UUID | None = None, notice_days: int = NOTICE_DAYS
    ) -> SchemeState:
        return propose_scheme(
            document=self.document, assessment_id=assessment_id or make_assessment(),
            operator_id=self.proposer, reason=REASON, notice_days=notice_days,
        )

    def tell(self, notice: str = NOTICE, *, notice_days: int = NOTICE_DAYS) -> SchemeState:
        return publish_notice(
            name=self.name, notice=notice, operator_id=self.proposer, reason=REASON,
            notice_days=notice_days,
        )

    def confirm(self, dry_run_id: UUID, *, by: UUID | None = None) -> SchemeState:
        return confirm_scheme(
            name=self.name, dry_run_id=dry_run_id, operator_id=by or self.confirmer,
            reason=REASON, notice_days=NOTICE_DAYS,
        )


def finish_dry_run(
    name: VersionName, *, base: VersionName | None = None, **changes: object
) -> UUID:
    """A dry run as the worker leaves it, without the computing; gives its id."""
    draft, last = show_version(name=name), last_activated()
    base = base or (last.name if last else None)
    dry_run_id = new_id()
    values: dict[str, object] = {
        "dry_run_id": dry_run_id, "scheme_code": name.code, "version": name.version,
        "content_hash": draft.content_hash, "base_code": base.code if base else None,
        "base_version": base.version if base else None, "as_of_on": draft.effective_on,
        "assessment_id": new_id(), "requested_by": new_id(), "reason": REASON, "slice_count": 1,
        "figures": {
            "population": None, "before": [], "after": [], "changes": {},
            "moves": {
                "rows": [], "columns": [], "counts": [], "row_totals": [], "column_totals": [],
            },
        },
        "ended_at": func.now(), **changes,
    }
    with transaction() as session:
        session.execute(insert(SchemeDryRun).values(values))
    return dry_run_id


def activate(document: str) -> None:
    """Rules in force from their date on, also of a day that is past, as years of use leave them."""
    scheme = parse_scheme(document, catalogue=load_catalogue())
    with transaction() as session:
        insert_scheme(session, scheme)
        put_in_force(session, scheme)
