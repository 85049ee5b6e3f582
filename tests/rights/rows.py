"""A made-up row of somebody in a table: whatever its columns ask for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

COLUMNS = """
    SELECT column_name, udt_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'
    AND (is_nullable = 'NO' AND column_default IS NULL OR column_name = 'citizen_id'
        OR column_name LIKE '%%\\_sealed')
"""
MADE_UP = {
    "uuid": "gen_random_uuid()", "text": "'made up'", "int8": "1", "timestamptz": "now()",
    "bytea": "sha256(gen_random_uuid()::text::bytea)", "date": "current_date", "jsonb": "'{}'",
    "bool": "false", "numeric": "1", "_text": "'{}'",
}  # fmt: skip
# Where a check asks for more than a type.
FITTING = {
    ("complaint_decisions", "outcome"): "'upheld'",
    ("trail_entries", "action"): "'made_up'", ("trail_entries", "actor_kind"): "'system'",
    ("records", "is_void"): "true", ("record_grants", "granted_points"): "0",
    ("record_holders", "record_number"): "gen_random_uuid()::text",
    ("ledger_transfers", "outcome"): "'accepted'", ("library_waivers", "kind"): "'reader'",
    ("vouchers", "price_points"): "0", ("redemptions", "price_points"): "0",
    ("voucher_claims", "refusal_code"): "'made_up'", ("voucher_endings", "kind"): "'expired'",
    ("redemption_attempts", "code_kind"): "'pass'",
    ("redemption_attempts", "refusal_code"): "'made_up'",
    ("offline_issues", "expires_at"): "now() + interval '1 hour'",
    ("offline_scans", "fault"): "'made_up'", ("transit_reports", "fault"): "'made_up'",
    ("service_orders", "state"): "'cancelled'", ("service_orders", "owed_fen"): "0",
    ("disputed_items", "kind"): "'order'", ("objections", "kind"): "'order'",
    ("repair_applications", "state"): "'rejected'",
    ("repair_applications", "decided_by"): "gen_random_uuid()",
    ("repair_applications", "decided_at"): "now()",
    ("adverse_records", "ends_on"): "current_date",
    ("end_notices", "receiver_kind"): "'merchant'",
    ("objections", "item_id"): "gen_random_uuid()",
    ("objections", "state"): "'proposed'", ("objections", "proposed_by"): "gen_random_uuid()",
    ("objections", "answer"): "'uphold'", ("objections", "answered_at"): "now()",
    ("objection_decisions", "outcome"): "'rejected'",
    ("objection_attachments", "media_type"): "'image/png'",
    ("death_arrangements", "choice"): "'named'",
    ("death_reports", "evidence"): "'death_certificate'",
    ("relative_applications", "relation"): "'child'", ("relative_applications", "wish"): "'copy'",
    ("relative_applications", "state"): "'proposed'",
    ("relative_applications", "outcome"): "'granted'",
    ("relative_applications", "proposed_by"): "gen_random_uuid()",
    ("death_papers", "media_type"): "'image/png'",
    ("counter_visits", "way"): "'document'",
    ("card_checks", "way"): "'document'", ("card_checks", "tries_left"): "5",
    ("pay_score_numbers", "out_order_no"): "md5('made up')",
}


def add_row(
    admin: psycopg.Connection[Any], table: str, citizen_id: UUID, **given: object
) -> None:
    """Insert a row of the citizen's; foreign keys are not looked at."""
    columns = dict(admin.execute(COLUMNS, (table,)).fetchall())
    values: list[sql.Composable] = []
    columns |= {column: "" for place, column in FITTING if place == table}
    for column, kind in columns.items():
        if column == "citizen_id":
            values.append(sql.Literal(citizen_id))
        elif column in given:
            values.append(sql.Literal(given[column]))
        else:
            values.append(sql.SQL(FITTING.get((table, column)) or MADE_UP[kind]))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(values),
    )
    with admin.transaction():
        admin.execute("SET LOCAL session_replication_role = replica")
        admin.execute(statement)


def count_rows(admin: psycopg.Connection[Any], table: str, citizen_id: UUID) -> int:
    """How many rows somebody has in a table."""
    found = admin.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE citizen_id = %s").format(sql.Identifier(table)),
        (citizen_id,),
    ).fetchone()
    return int(found[0]) if found else 0
