"""The proof that the ledger is sound: one SQL query per promise, naming the rows that break it.

I1 entries sum to zero · I2 no account below its line · I3 stored balances replay from entries ·
I4 a hold ends at most once · I6 balances chain · I7 hashes chain up to the anchored heads ·
I8 no row was changed, nobody may change one · I9 one effect per id · I10 the programme's sums.
The order is that of the findings: rows that break their own seal first, then what no longer follows
from them, so that the first finding names the bad row, wherever rows happen to lie on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.kernel.database import reading_whole_tables

FINDINGS_MAX = 2000


@dataclass(frozen=True)
class Finding:
    """One broken promise and the row that breaks it."""

    invariant: str
    citizen_id: UUID | None
    transfer_id: UUID | None
    account_id: UUID | None
    message: str

    def __str__(self) -> str:
        named = {
            "citizen": self.citizen_id, "transfer": self.transfer_id, "account": self.account_id,
        }
        where = [f"{name} {value}" for name, value in named.items() if value is not None]
        return f"{self.invariant}: {self.message} ({', '.join(where) or 'whole ledger'})"


@dataclass(frozen=True)
class Check:
    """A query for the bad rows, in order: citizen_id, transfer_id, account_id, message."""

    invariant: str
    sql: str


CHECKS: tuple[Check, ...] = (
    Check(
        "I8",
        """
        SELECT t.citizen_id, t.transfer_id, NULL::uuid AS account_id,
            'a transfer does not match its hash' AS message
        FROM ledger_transfers t WHERE t.hash <> ledger_transfer_hash(t)
        ORDER BY t.created_at, t.citizen_id, t.transfer_id
        """,
    ),
    Check(
        "I7",
        """
        SELECT c.citizen_id, c.transfer_id, c.account_id, CASE
            WHEN c.hash IS DISTINCT FROM c.expected_hash THEN 'an entry does not match its hash'
            WHEN c.account_version <> c.before_version + 1 THEN 'an entry is missing before this'
            ELSE 'an entry does not follow the one before' END AS message
        FROM (
            SELECT e.citizen_id, e.transfer_id, e.account_id, e.account_version, e.hash,
                e.previous_hash,
                ledger_entry_hash(e, t.hash, x.account_id, x.amount_units) AS expected_hash,
                coalesce(lag(e.account_version) OVER chain, 0) AS before_version,
                coalesce(lag(e.hash) OVER chain, ledger_genesis_hash(a)) AS before_hash
            FROM ledger_entries e
            LEFT JOIN ledger_transfers t
                ON t.citizen_id = e.citizen_id AND t.transfer_id = e.transfer_id
            LEFT JOIN ledger_entries x ON x.citizen_id = e.citizen_id
                AND x.transfer_id = e.transfer_id AND x.account_id <> e.account_id
            LEFT JOIN ledger_accounts a
                ON a.citizen_id = e.citizen_id AND a.account_id = e.account_id
            WHERE e.account_version IS NOT NULL
            WINDOW chain AS (PARTITION BY e.citizen_id, e.account_id ORDER BY e.account_version)
        ) AS c
        WHERE c.hash IS DISTINCT FROM c.expected_hash
            OR c.previous_hash IS DISTINCT FROM c.before_hash
            OR c.account_version <> c.before_version + 1
        ORDER BY c.hash IS NOT DISTINCT FROM c.expected_hash,
            c.citizen_id, c.account_id, c.account_version, c.transfer_id
        """,
    ),
    Check(
        "I1",
        """
        SELECT coalesce(t.citizen_id, s.citizen_id), coalesce(t.transfer_id, s.transfer_id),
            NULL::uuid AS account_id, CASE
                WHEN t.transfer_id IS NULL THEN 'entries without a transfer'
                WHEN t.outcome = 'refused'
                    OR t.kind IN ('hold', 'void', 'hold_expiry', 'credit_line')
                    THEN 'a transfer that moves nothing has entries'
                ELSE 'a transfer does not have two entries that match it' END AS message
        FROM ledger_transfers t
        FULL JOIN (
            SELECT e.citizen_id, e.transfer_id, count(*) AS entry_count,
                sum(e.amount_units) AS total_units, max(e.amount_units) AS amount_units,
                (array_agg(e.account_id ORDER BY e.amount_units))[1] AS from_account_id,
                (array_agg(e.account_id ORDER BY e.amount_units DESC))[1] AS to_account_id,
                min(e.effective_on) AS first_on, max(e.effective_on) AS last_on,
                min(e.created_at) AS first_at, max(e.created_at) AS last_at,
                count(*) FILTER (WHERE e.account_version IS NOT NULL) AS chained_count,
                count(*) FILTER (WHERE NOT ledger_is_programme_account(e.account_id)) AS own_count,
                count(*) FILTER (WHERE num_nulls(e.account_version, e.balance_after_units,
                    e.previous_hash, e.hash) NOT IN (0, 4)) AS half_count
            FROM ledger_entries e GROUP BY e.citizen_id, e.transfer_id
        ) AS s ON s.citizen_id = t.citizen_id AND s.transfer_id = t.transfer_id
        WHERE t.transfer_id IS NULL
            OR (s.transfer_id IS NULL AND t.outcome = 'accepted' AND t.amount_units > 0
                AND t.kind IN ('grant', 'spend', 'post', 'expire', 'reverse', 'move'))
            OR (s.transfer_id IS NOT NULL AND (
                t.outcome = 'refused'
                OR t.kind NOT IN ('grant', 'spend', 'post', 'expire', 'reverse', 'move')
                OR s.entry_count <> 2 OR s.total_units <> 0 OR s.amount_units <> t.amount_units
                OR s.from_account_id <> t.from_account_id OR s.to_account_id <> t.to_account_id
                OR s.first_on <> t.effective_on OR s.last_on <> t.effective_on
                OR s.first_at <> t.created_at OR s.last_at <> t.created_at
                OR s.chained_count <> s.own_count OR s.half_count <> 0))
        ORDER BY 1, 2
        """,
    ),
    Check(
        "I6",
        """
        SELECT c.citizen_id, c.transfer_id, c.account_id,
            'a balance does not follow from the one before' AS message
        FROM (
            SELECT e.citizen_id, e.transfer_id, e.account_id, e.account_version,
                e.balance_after_units, e.amount_units, coalesce(lag(e.balance_after_units) OVER (
                    PARTITION BY e.citizen_id, e.account_id ORDER BY e.account_version), 0)
                    AS before_units
            FROM ledger_entries e WHERE e.account_version IS NOT NULL
        ) AS c
        WHERE c.balance_after_units <> c.before_units + c.amount_units
        ORDER BY c.citizen_id, c.account_id, c.account_version, c.transfer_id
        """,
    ),
    Check(
        "I3",
        """
        SELECT m.citizen_id, m.transfer_id, NULL::uuid AS account_id,
            'a movement without its lot' AS message
        FROM ledger_lot_movements m
        LEFT JOIN ledger_lots l ON l.citizen_id = m.citizen_id AND l.lot_id = m.lot_id
        WHERE l.lot_id IS NULL
        UNION ALL
        SELECT p.citizen_id, p.hold_id, NULL::uuid, 'a held part without its lot'
        FROM ledger_hold_lots p
        LEFT JOIN ledger_lots l ON l.citizen_id = p.citizen_id AND l.lot_id = p.lot_id
        WHERE l.lot_id IS NULL
        ORDER BY 1, 2
        """,
    ),
    Check(
        "I3",
        """
        SELECT coalesce(m.citizen_id, e.citizen_id), coalesce(m.transfer_id, e.transfer_id),
            e.account_id, 'movements of lots do not add up to the entry' AS message
        FROM (
            SELECT m.citizen_id, m.transfer_id, sum(m.amount_units) AS units,
                min(m.effective_on) AS first_on, max(m.effective_on) AS last_on
            FROM ledger_lot_movements m GROUP BY m.citizen_id, m.transfer_id
        ) AS m
        FULL JOIN (
            SELECT e.citizen_id, e.transfer_id, e.account_id, e.amount_units, e.effective_on
            FROM ledger_entries e
            JOIN ledger_accounts a ON a.citizen_id = e.citizen_id AND a.account_id = e.account_id
            JOIN ledger_transfers t ON t.citizen_id = e.citizen_id
                AND t.transfer_id = e.transfer_id
            WHERE a.asset = 'points' AND t.kind <> 'grant'
        ) AS e ON e.citizen_id = m.citizen_id AND e.transfer_id = m.transfer_id
        WHERE m.units IS DISTINCT FROM e.amount_units
            OR m.first_on <> e.effective_on OR m.last_on <> e.effective_on
        ORDER BY 1, 2
        """,
    ),
    Check(
        "I4",
        """
        SELECT coalesce(h.citizen_id, o.citizen_id), coalesce(h.transfer_id, o.hold_id),
            coalesce(o.account_id, h.from_account_id),
            'a hold, its lots and its ending disagree' AS message
        FROM (SELECT * FROM ledger_transfers WHERE kind = 'hold' AND outcome = 'accepted') AS h
        FULL JOIN ledger_open_holds o
            ON o.citizen_id = h.citizen_id AND o.hold_id = h.transfer_id
        LEFT JOIN (
            SELECT t.citizen_id, t.hold_id, count(*) AS ending_count, sum(t.amount_units) AS units,
                max(t.kind) AS kind
            FROM ledger_transfers t WHERE t.hold_id IS NOT NULL AND t.outcome = 'accepted'
            GROUP BY t.citizen_id, t.hold_id
        ) AS ending ON ending.citizen_id = h.citizen_id AND ending.hold_id = h.transfer_id
        LEFT JOIN (
            SELECT l.citizen_id, l.hold_id, sum(l.amount_units) AS units
            FROM ledger_hold_lots l GROUP BY l.citizen_id, l.hold_id
        ) AS part ON part.citizen_id = h.citizen_id AND part.hold_id = h.transfer_id
        WHERE h.transfer_id IS NULL
            OR coalesce(ending.ending_count, 0) + (o.hold_id IS NOT NULL)::int <> 1
            OR ending.units > h.amount_units
            OR (ending.kind <> 'post' AND ending.units <> h.amount_units)
            OR (o.hold_id IS NOT NULL AND (o.amount_units <> h.amount_units
                OR o.expires_at <> h.hold_expires_at OR o.account_id <> h.from_account_id))
            OR coalesce(part.units, 0) <> CASE h.asset WHEN 'points' THEN h.amount_units ELSE 0 END
        ORDER BY 1, 2
        """,
    ),
    Check(
        "I4",
        """
        SELECT t.citizen_id, t.transfer_id, t.from_account_id, 'an ending without a hold' AS message
        FROM ledger_transfers t
        LEFT JOIN ledger_transfers h ON h.citizen_id = t.citizen_id AND h.transfer_id = t.hold_id
            AND h.kind = 'hold' AND h.outcome = 'accepted'
        WHERE t.outcome = 'accepted' AND (t.kind IN ('post', 'void', 'hold_expiry'))
            <> (h.transfer_id IS NOT NULL)
        UNION ALL
        SELECT l.citizen_id, l.hold_id, NULL::uuid, 'held lots without a hold'
        FROM ledger_hold_lots l
        LEFT JOIN ledger_transfers h ON h.citizen_id = l.citizen_id AND h.transfer_id = l.hold_id
            AND h.kind = 'hold' AND h.outcome = 'accepted'
        WHERE h.transfer_id IS NULL
        ORDER BY 1, 2
        """,
    ),
    Check(
        "I3",
        """
        SELECT coalesce(l.citizen_id, t.citizen_id), coalesce(l.lot_id, t.transfer_id),
            coalesce(l.account_id, t.to_account_id),
            'a lot is not what its grant, movements and holds say' AS message
        FROM ledger_lots l
        FULL JOIN (SELECT * FROM ledger_transfers WHERE kind = 'grant' AND outcome = 'accepted') t
            ON t.citizen_id = l.citizen_id AND t.transfer_id = l.lot_id
        LEFT JOIN ledger_entries e ON e.citizen_id = l.citizen_id AND e.transfer_id = l.lot_id
            AND e.account_id = l.account_id
        LEFT JOIN (
            SELECT m.citizen_id, m.lot_id, sum(m.amount_units) AS units
            FROM ledger_lot_movements m GROUP BY m.citizen_id, m.lot_id
        ) AS moved ON moved.citizen_id = l.citizen_id AND moved.lot_id = l.lot_id
        LEFT JOIN (
            SELECT p.citizen_id, p.lot_id, sum(p.amount_units) AS units
            FROM ledger_hold_lots p
            JOIN ledger_open_holds o ON o.citizen_id = p.citizen_id AND o.hold_id = p.hold_id
            GROUP BY p.citizen_id, p.lot_id
        ) AS held ON held.citizen_id = l.citizen_id AND held.lot_id = l.lot_id
        WHERE l.lot_id IS NULL OR t.transfer_id IS NULL
            OR l.granted_units <> t.amount_units OR l.expires_on <> t.lot_expires_on
            OR l.effective_on <> t.effective_on OR l.account_id <> t.to_account_id
            OR l.granted_version IS DISTINCT FROM e.account_version
            OR l.remaining_units <> l.granted_units + coalesce(moved.units, 0)
            OR l.held_units <> coalesce(held.units, 0)
            OR l.remaining_units NOT BETWEEN l.held_units AND l.granted_units
        ORDER BY 1, 2
        """,
    ),
    Check(
        "I3",
        """
        SELECT coalesce(a.citizen_id, s.citizen_id), NULL::uuid AS transfer_id,
            coalesce(a.account_id, s.account_id),
            CASE WHEN a.account_id IS NULL THEN 'entries without an account'
                ELSE 'an account is not what its entries and holds say' END AS message
        FROM ledger_accounts a
        FULL JOIN (
            SELECT e.citizen_id, e.account_id, sum(e.amount_units) AS balance_units,
                max(e.account_version) AS version
            FROM ledger_entries e WHERE e.account_version IS NOT NULL
            GROUP BY e.citizen_id, e.account_id
        ) AS s ON s.citizen_id = a.citizen_id AND s.account_id = a.account_id
        LEFT JOIN ledger_entries head ON head.citizen_id = a.citizen_id
            AND head.account_id = a.account_id AND head.account_version = a.version
        LEFT JOIN (
            SELECT h.citizen_id, h.account_id, sum(h.amount_units) AS held_units
            FROM ledger_open_holds h GROUP BY h.citizen_id, h.account_id
        ) AS h ON h.citizen_id = a.citizen_id AND h.account_id = a.account_id
        LEFT JOIN LATERAL (
            SELECT t.amount_units AS line_units FROM ledger_transfers t
            WHERE t.citizen_id = a.citizen_id AND t.from_account_id = a.account_id
                AND t.kind = 'credit_line' AND t.outcome = 'accepted'
            ORDER BY t.created_at DESC LIMIT 1
        ) AS line ON a.asset = 'fen'
        WHERE a.account_id IS NULL
            OR a.balance_units <> coalesce(s.balance_units, 0)
            OR a.version <> coalesce(s.version, 0)
            OR a.head_hash <> coalesce(head.hash, ledger_genesis_hash(a))
            OR a.held_units <> coalesce(h.held_units, 0)
            OR a.credit_line_units <> coalesce(line.line_units, 0)
            OR a.account_id <> ledger_account_id(a.citizen_id, a.subject_id, a.asset, a.purpose)
        ORDER BY 1, 3
        """,
    ),
    Check(
        "I2",
        """
        SELECT a.citizen_id, NULL::uuid AS transfer_id, a.account_id,
            'an account is below its credit line' AS message
        FROM ledger_accounts a
        WHERE a.balance_units - a.held_units < -a.credit_line_units
        UNION ALL
        SELECT e.citizen_id, e.transfer_id, e.account_id, 'points fell below zero'
        FROM ledger_entries e
        JOIN ledger_accounts a ON a.citizen_id = e.citizen_id AND a.account_id = e.account_id
        WHERE e.balance_after_units < 0 AND a.asset = 'points'
        ORDER BY 1, 2, 3
        """,
    ),
    Check(
        "I9",
        """
        SELECT t.citizen_id, t.transfer_id, t.from_account_id,
            'a reversal that was not possible' AS message
        FROM ledger_transfers t
        LEFT JOIN ledger_transfers o ON o.citizen_id = t.citizen_id
            AND o.transfer_id = t.reverses_id AND o.outcome = 'accepted'
            AND o.kind IN ('grant', 'spend', 'post')
        WHERE t.kind = 'reverse' AND t.outcome = 'accepted'
            AND (o.transfer_id IS NULL OR t.amount_units + t.shortfall_units > o.amount_units)
        UNION ALL
        SELECT t.citizen_id, min(t.transfer_id::text)::uuid, NULL::uuid, 'reversed more than once'
        FROM ledger_transfers t WHERE t.reverses_id IS NOT NULL AND t.outcome = 'accepted'
        GROUP BY t.citizen_id, t.reverses_id HAVING count(*) > 1
        ORDER BY 1, 2
        """,
    ),
    Check(
        "I10",
        """
        SELECT NULL::uuid AS citizen_id, NULL::uuid AS transfer_id, NULL::uuid AS account_id,
            a.asset || ': the programme''s side is ' || coalesce(p.units, 0)
                || ', the citizens hold ' || a.units AS message
        FROM (SELECT asset, sum(balance_units) AS units FROM ledger_accounts GROUP BY asset) AS a
        LEFT JOIN (
            SELECT t.asset, sum(e.amount_units) AS units
            FROM ledger_entries e
            JOIN ledger_transfers t ON t.citizen_id = e.citizen_id
                AND t.transfer_id = e.transfer_id
            WHERE ledger_is_programme_account(e.account_id) GROUP BY t.asset
        ) AS p ON p.asset = a.asset
        WHERE a.units + coalesce(p.units, 0) <> 0
        ORDER BY 4
        """,
    ),
    Check(
        "I7",
        """
        SELECT h.citizen_id, e.transfer_id, h.account_id, CASE
            WHEN a.anchor_id IS NULL THEN 'an anchored head without its anchor'
            ELSE 'an anchored head is not in the chain any more' END AS message
        FROM ledger_anchored_heads h
        LEFT JOIN ledger_anchors a ON a.anchor_id = h.anchor_id
        LEFT JOIN ledger_entries e ON e.citizen_id = h.citizen_id
            AND e.account_id = h.account_id AND e.account_version = h.account_version
        WHERE e.hash IS DISTINCT FROM h.head_hash OR a.anchor_id IS NULL
        ORDER BY h.citizen_id, h.account_id, h.account_version
        """,
    ),
    Check(
        "I7",
        """
        SELECT NULL::uuid AS citizen_id, NULL::uuid AS transfer_id, NULL::uuid AS account_id,
            'the anchor of ' || c.anchored_on || ' does not match its heads' AS message
        FROM (
            SELECT a.*, lag(a.digest) OVER (ORDER BY a.anchored_on) AS before_digest
            FROM ledger_anchors a
        ) AS c
        WHERE c.digest <> ledger_anchor_digest(c.anchor_id, c.previous_digest)
            OR c.previous_digest <> coalesce(c.before_digest, sha256('ledger anchors 1'))
            OR c.head_count <> (
                SELECT count(*) FROM ledger_anchored_heads h WHERE h.anchor_id = c.anchor_id)
        ORDER BY c.anchored_on
        """,
    ),
    Check(
        "I8",
        """
        SELECT NULL::uuid AS citizen_id, NULL::uuid AS transfer_id, NULL::uuid AS account_id,
            r.rolname || ' may ' || p.privilege || ' ' || c.relname AS message
        FROM pg_class c
        CROSS JOIN (VALUES ('card_web'), ('card_job'), ('card_report')) AS r (rolname)
        CROSS JOIN (VALUES ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p (privilege)
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND starts_with(c.relname, 'ledger_')
            AND has_table_privilege(r.rolname, c.oid, p.privilege)
        ORDER BY 4
        """,
    ),
)


def find_faults(session: Session) -> list[Finding]:
    """Run every check; at most FINDINGS_MAX findings each."""
    found: list[Finding] = []
    with reading_whole_tables(session):
        for check in CHECKS:
            rows = session.connection().exec_driver_sql(f"{check.sql} LIMIT {FINDINGS_MAX}")
            found += [Finding(check.invariant, *row) for row in rows]
    return found
