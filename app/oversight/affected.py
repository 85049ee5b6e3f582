"""Whose data were seen in an incident, by what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import ColumnClause, column, func, select
from sqlalchemy import table as named

from app.kernel.database import reading
from app.kernel.errors import Invalid
from app.library.queries import list_machine_ids
from app.members.queries import list_wrapped_under
from app.merchants.queries import list_actors
from app.records.queries import list_delivered
from app.rights.data_inventory import CITIZEN_KEY, About, ColumnClass, KeptTable, read_inventory
from app.trail.touching import Touched, list_touched

STAFF, DEVICE, PARTNER = "staff", "device", "partner"
SOURCE, KEY, TABLE, EVERYBODY = "source", "key", "table", "everybody"
SCOPES: Final = (STAFF, DEVICE, PARTNER, SOURCE, KEY, TABLE, EVERYBODY)
IN_TABLE: Final = "table:"
_TOLD: Final = frozenset({
    ColumnClass.PERSONAL, ColumnClass.SEALED, ColumnClass.SEALED_FILE, ColumnClass.FACT,
    ColumnClass.TEXT,
})  # fmt: skip


class IncidentScopeUnfit(Invalid):
    """The scope names nothing of which people could be listed."""

    code: ClassVar[str] = "incident_scope_unfit"
    title: ClassVar[str] = "There is nothing of this name to list people by"
    advice: ClassVar[str] = "请检查事件范围：账号、设备、商户、来源、密钥填编号，数据表填表名。"


@dataclass(frozen=True)
class Scope:
    """By whom or what data were seen.

    `kind` and `name`: a staff account, a device (also of a library), a partner (merchant) or a
    source by its id; a key that wraps the citizens' keys by its number; a table of the inventory;
    or everybody whom anybody looked at in the time, without a name.
    """

    kind: str
    name: str


def require_scope(scope: Scope) -> None:
    """IncidentScopeUnfit unless people can be listed by it."""
    if not _FITS[scope.kind](scope.name):
        raise IncidentScopeUnfit


def touched_by(
    scope: Scope, *, since: datetime, until: datetime, first: UUID, last: UUID
) -> list[Touched]:
    """The people within a range of ids whose data were seen, and what of them."""
    within: dict[str, Any] = {"since": since, "until": until, "first": first, "last": last}
    if scope.kind == TABLE:
        return _in_table(read_inventory()[scope.name], until=until, first=first, last=last)
    if scope.kind == KEY:
        return [
            Touched(citizen_id, sealed_tables(), 1, max(since, made_at), until)
            for citizen_id, made_at in list_wrapped_under(
                key_id=int(scope.name), until=until, first=first, last=last
            )
        ]
    if scope.kind == SOURCE:
        delivered = [
            Touched(citizen_id, (f"{IN_TABLE}records",), count, first_at, last_at)
            for citizen_id, count, first_at, last_at in list_delivered(
                source_id=UUID(scope.name), **within
            )
        ]
        return _joined([*delivered, *list_touched(actors=[UUID(scope.name)], **within)])
    return list_touched(actors=_actors(scope), **within)


def sealed_tables() -> tuple[str, ...]:
    """What whoever has a citizen's key can read, as it stands in `seen`."""
    return tuple(sorted(
        f"{IN_TABLE}{name}" for name, one in read_inventory().items() if one.key == CITIZEN_KEY
    ))


def _actors(scope: Scope) -> list[UUID] | None:
    if scope.kind == EVERYBODY:
        return None
    if scope.kind == PARTNER:
        merchant_id = UUID(scope.name)
        machines = list_machine_ids(merchant_id=merchant_id)
        return [*list_actors(merchant_id=merchant_id), *machines]
    return [UUID(scope.name)]


def _in_table(table: KeptTable, *, until: datetime, first: UUID, last: UUID) -> list[Touched]:
    """Whoever has a row in the table that was there at the end of the time.

    Reads a room's table by its name, as the copies do: in a job, never to write.
    """
    citizen_id: ColumnClause[Any] = column("citizen_id")
    created_at: ColumnClause[Any] = column("created_at")
    dated = "created_at" in table.columns
    moment = created_at if dated else func.now()
    query = (
        select(citizen_id, func.count(), func.min(moment), func.max(moment))
        .select_from(named(table.name))
        .where(citizen_id.between(first, last))
        .group_by(citizen_id)
        .order_by(citizen_id)
    )
    if dated:
        query = query.where(created_at < until)
    seen = (f"{IN_TABLE}{table.name}",)
    with reading() as session:
        return [Touched(row[0], seen, row[1], row[2], row[3]) for row in session.execute(query)]


def _joined(parts: list[Touched]) -> list[Touched]:
    """One entry for each person."""
    found: dict[UUID, Touched] = {}
    for one in parts:
        had = found.get(one.citizen_id)
        found[one.citizen_id] = one if had is None else Touched(
            one.citizen_id, tuple(sorted({*had.seen, *one.seen})),
            had.line_count + one.line_count, min(had.first_at, one.first_at),
            max(had.last_at, one.last_at),
        )  # fmt: skip
    return list(found.values())


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _is_key(name: str) -> bool:
    key_max = 255
    return name.isdecimal() and 0 < int(name) <= key_max


def _is_table(name: str) -> bool:
    table = read_inventory().get(name)
    return (
        table is not None
        and table.about is About.CITIZEN
        and "citizen_id" in table.columns
        and not _TOLD.isdisjoint(table.columns.values())
    )


_FITS: Final[Mapping[str, Callable[[str], bool]]] = {
    STAFF: _is_id, DEVICE: _is_id, PARTNER: _is_id, SOURCE: _is_id, KEY: _is_key,
    TABLE: _is_table, EVERYBODY: lambda name: not name,
}  # fmt: skip
