"""Seals over the trail, and the proof that nothing under them was changed.

A register is a table of lines.  Once a minute a job writes beside each new line its hash, and a
seal over these hashes and the seal before.  What is not sealed yet can be changed unseen, for a
minute; everything else leaves a finding that names the line or the seal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.kernel.database import reading, transaction
from app.trail.models import TrailSeal

# The registers, with how many days their lines are kept; None: as long as the programme.
KEPT_DAYS: Final[dict[str, int | None]] = {
    "trail_entries": 1_830, "trail_acts": None, "security_events": 366,
}  # fmt: skip
_LINE_IDS: Final = {
    "trail_entries": "trail_id", "trail_acts": "act_id", "security_events": "event_id",
}  # fmt: skip
SEAL_LINES_MAX: Final = 5_000
# No transaction of the service takes so long: what comes later was put in.
LATEST_AFTER: Final = timedelta(hours=1)
SEALED_WITHIN: Final = timedelta(minutes=10)
FINDINGS_MAX: Final = 2_000
NEWEST_SEALS: Final = 60  # looked at by each run
OLDER_SEALS: Final = 500  # and so many of the others, in turns
TURN_SECONDS: Final = 600
_TIMEOUT: Final = text("SET LOCAL statement_timeout = '10min'")
_SEAL: Final = text("SELECT trail_seal(:register, :limit)")
_TURN: Final = text("SELECT (extract(epoch FROM now()) / :seconds)::bigint")
# In the order of the findings: lines that break their own hash first, so that the first one is
# named; then what no longer follows from them.
_CHECKS: Final = (
    """
    SELECT t.seal_number, t.{line_id}, 'a line does not match its hash'
    FROM {register} t
    WHERE t.seal_number BETWEEN :first AND :last
        AND t.line_hash IS DISTINCT FROM trail_line_hash(t)
    ORDER BY t.seal_number, t.{line_id}
    """,
    """
    SELECT t.seal_number, t.{line_id}, 'a line under a seal that there is not'
    FROM {register} t
    WHERE :whole AND t.seal_number IS NOT NULL AND NOT EXISTS (SELECT FROM trail_seals s
        WHERE s.register = '{register}' AND s.seal_number = t.seal_number)
    ORDER BY t.seal_number, t.{line_id}
    """,
    """
    SELECT t.seal_number, t.{line_id}, CASE
        WHEN t.created_at > now() + interval '1 minute' THEN 'a line from a time to come'
        ELSE 'a line waits for its seal' END
    FROM {register} t
    WHERE t.seal_number IS NULL
        AND (t.created_at < now() - CAST(:within AS interval)
            OR t.created_at > now() + interval '1 minute')
    ORDER BY t.created_at
    """,
    """
    SELECT c.seal_number, NULL::uuid, CASE
        WHEN c.digest IS DISTINCT FROM c.expected_digest THEN 'a seal does not match its digest'
        WHEN c.seal_number <> coalesce(c.before_number, 0) + 1 THEN 'a seal before it is missing'
        WHEN c.previous_digest IS DISTINCT FROM coalesce(
            c.before_digest, sha256(convert_to('{register}', 'UTF8')))
            THEN 'a seal does not follow the one before'
        WHEN c.emptied_at < c.last_at + make_interval(days => CAST(:days AS integer))
            OR c.emptied_at > now() OR (c.emptied_at IS NOT NULL AND CAST(:days AS integer) IS NULL)
            THEN 'the lines of a seal were deleted before their time'
        WHEN c.emptied_at IS NULL AND (held.line_count <> c.line_count
            OR held.lines_digest IS DISTINCT FROM c.lines_digest)
            THEN 'lines of a seal were changed, taken out or put in'
        WHEN c.emptied_at IS NOT NULL AND held.line_count <> 0
            THEN 'lines under a seal whose time is over'
        WHEN c.first_at < c.before_reached_at - CAST(:latest_after AS interval)
            THEN 'lines came long after their time'
        WHEN c.last_at > c.made_at THEN 'lines from a time to come'
        END AS message
    FROM (
        SELECT s.*, trail_seal_hash(s) AS expected_digest,
            lag(s.seal_number) OVER chain AS before_number,
            lag(s.digest) OVER chain AS before_digest,
            lag(s.reached_at) OVER chain AS before_reached_at
        FROM trail_seals s
        WHERE s.register = '{register}' AND s.seal_number BETWEEN :first - 1 AND :last
        WINDOW chain AS (ORDER BY s.seal_number)
    ) AS c
    CROSS JOIN LATERAL (
        SELECT count(*) AS line_count,
            sha256(string_agg(t.line_hash, '' ORDER BY t.line_hash)) AS lines_digest
        FROM {register} t WHERE t.seal_number = c.seal_number
    ) AS held
    WHERE c.seal_number >= :first
    ORDER BY c.seal_number
    """,
)
_FOUND: Final = """
    SELECT * FROM ({check}) AS f (seal_number, line_id, message)
    WHERE f.message IS NOT NULL LIMIT :most
"""
_RIGHTS: Final = text("""
    SELECT c.relname, r.rolname || ' may ' || p.privilege || ' ' || c.relname
    FROM pg_class c
    CROSS JOIN (VALUES ('card_web'), ('card_job'), ('card_report')) AS r (rolname)
    CROSS JOIN (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p (privilege)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (:tables)
        AND has_table_privilege(r.rolname, c.oid, p.privilege)
    ORDER BY 2
""")


@dataclass(frozen=True)
class Finding:
    """What is wrong with a register; the seal and the line where one can be named."""

    register: str
    seal_number: int | None
    line_id: UUID | None
    message: str

    def __str__(self) -> str:
        named = {"seal": self.seal_number, "line": self.line_id}
        where = [f"{name} {value}" for name, value in named.items() if value is not None]
        return f"{self.register}: {self.message} ({', '.join(where) or 'whole register'})"


@dataclass(frozen=True)
class Head:
    """The newest seal of a register: who knows its digest can tell whether all before is as it was.

    `digest` is hexadecimal.
    """

    register: str
    seal_number: int
    digest: str


def seal_lines(*, limit: int = SEAL_LINES_MAX) -> int:
    """For the job: put every line that has none under a seal, up to `limit` under one; how many."""
    total = 0
    for register in KEPT_DAYS:
        count = limit
        while count:
            with transaction() as session:
                count = int(
                    session.scalar(_SEAL, {"register": register, "limit": limit}) or 0
                )
            total += count
    return total


def verify(*, whole: bool = True) -> list[Finding]:
    """Every fault of the trail, by register the first bad line or seal first; empty when sound.

    Not `whole`, for the job that runs every ten minutes: the newest seals, and some of the others
    in turns, so that each is looked at again and again.
    """
    found: list[Finding] = []
    with reading() as session:
        session.execute(_TIMEOUT)
        for register in KEPT_DAYS:
            for first, last in _ranges(session, register, whole=whole):
                found += _faults(session, register, first, last, whole=whole)
        tables = [*KEPT_DAYS, TrailSeal.__tablename__]
        found += [
            Finding(table, None, None, message)
            for table, message in session.execute(_RIGHTS, {"tables": tables})
        ]
    return list(dict.fromkeys(found))


def list_heads() -> list[Head]:
    """The newest seal of each register that has one."""
    newest = (
        select(TrailSeal.register, func.max(TrailSeal.seal_number).label("seal_number"))
        .group_by(TrailSeal.register)
        .subquery()
    )
    query = (
        select(TrailSeal)
        .join(newest, (newest.c.register == TrailSeal.register)
              & (newest.c.seal_number == TrailSeal.seal_number))
        .order_by(TrailSeal.register)
    )  # fmt: skip
    with reading() as session:
        return [_head(row) for row in session.scalars(query)]


def heads_of_day(_today: date) -> dict[str, Any]:
    """What is published each day: the newest seal of each register."""
    return {"heads": [vars(one) for one in list_heads()]}


def find_head(*, register: str, seal_number: int) -> Head | None:
    """A seal by its number, as it is now."""
    with reading() as session:
        row = session.get(TrailSeal, (register, seal_number), populate_existing=True)
    return None if row is None else _head(row)


def _ranges(session: Session, register: str, *, whole: bool) -> list[tuple[int, int]]:
    """The seals to look at, by their numbers."""
    newest = session.scalar(
        select(func.max(TrailSeal.seal_number)).where(TrailSeal.register == register)
    ) or 0  # fmt: skip
    if whole or newest <= NEWEST_SEALS + OLDER_SEALS:
        return [(1, newest)]
    older = newest - NEWEST_SEALS
    turns = -(-older // OLDER_SEALS)
    turn = int(session.execute(_TURN, {"seconds": TURN_SECONDS}).scalar_one()) % turns
    first = turn * OLDER_SEALS + 1
    return [(older + 1, newest), (first, min(first + OLDER_SEALS - 1, older))]


def _faults(
    session: Session, register: str, first: int, last: int, *, whole: bool
) -> list[Finding]:
    asked = {
        "first": first, "last": last, "whole": whole, "days": KEPT_DAYS[register],
        "within": SEALED_WITHIN, "latest_after": LATEST_AFTER, "most": FINDINGS_MAX,
    }
    found: list[Finding] = []
    for check in _CHECKS:
        named = check.replace("{register}", register).replace("{line_id}", _LINE_IDS[register])
        rows = session.execute(text(_FOUND.replace("{check}", named)), asked)
        found += [Finding(register, *row) for row in rows]
    return found


def _head(row: TrailSeal) -> Head:
    return Head(row.register, row.seal_number, row.digest.hex())
