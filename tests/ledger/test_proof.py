"""The proof finds what was changed behind the functions' back, and names the row."""

import hashlib
import random
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.ledger import operations, queries
from app.ledger.proof import CHECKS
from demo.servers import Database
from tests.conftest import Sized
from tests.ledger.checks import assert_ledger_balances
from tests.ledger.people import FAR, Person, database_time

pytestmark = pytest.mark.timeout(3600)  # for the full sizes

UUID_OID, TEXT_OID, BIGINT_OID, DATE_OID, INSTANT_OID, BYTES_OID = 2950, 25, 20, 1082, 1184, 17
POSTGRES_DAY = date(2000, 1, 1)


@pytest.fixture
def context(committing_app: Flask) -> Iterator[None]:
    with committing_app.app_context():
        yield


def live(people: int) -> list[Person]:
    """People with every kind of transfer."""
    made = [Person() for _ in range(people)]
    for person in made:
        first = person.grant(60, date(2090, 1, 1))
        person.grant(40)
        person.spend(1_000)
        person.spend(15)
        person.post(person.hold(20), 5)
        person.void(person.hold(5))
        person.hold(7)
        person.reverse(first)
        person.grant(30, date(2026, 8, 1), on=date(2026, 6, 1))
        person.expire_lots(date(2026, 9, 1))
        with transaction():
            operations.set_credit_line(
                citizen_id=person.citizen_id,
                transfer_id=new_id(),
                purpose="guarantee",
                amount_fen=500,
            )
    return made


UUID_FLIP = (
    "(encode(set_byte(uuid_send({0}), 15, get_byte(uuid_send({0}), 15) # 1), 'hex'))::uuid"
)
BYTES_FLIP = "set_byte({0}, 7, get_byte({0}, 7) # 1)"
FLIPS = {
    "bigint": "{0} # 256",
    "date": "{0} + 1",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "text": "overlay({0} placing '_' from 2 for 1)",
    "uuid": UUID_FLIP,
    "bytea": BYTES_FLIP,
}


def columns(admin: psycopg.Connection[Any], table: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = admin.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = %s AND column_name <> 'citizen_id' AND is_generated = 'NEVER'",
        (table,),
    ).fetchall()
    return found


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("ledger_entries", "transfer_id"),
        ("ledger_transfers", "transfer_id"),
        ("ledger_lots", "lot_id"),
        ("ledger_lot_movements", "transfer_id"),
        ("ledger_hold_lots", "hold_id"),
        ("ledger_open_holds", "hold_id"),
        ("ledger_accounts", "account_id"),
        ("ledger_anchored_heads", "account_id"),
    ],
)
def test_a_change_of_any_column_is_found_and_named(
    context: None, admin: psycopg.Connection[Any], table: str, key: str
) -> None:
    live(1)
    operations.anchor_heads()
    assert_ledger_balances()
    harmless = {("ledger_accounts", "created_at")}  # when it was opened decides nothing
    admin.execute("SET session_replication_role = replica")
    for name, kind in columns(admin, table):
        if (table, name) in harmless:
            continue
        rows = admin.execute(
            f"SELECT {key}, ctid::text FROM {table} WHERE {name} IS NOT NULL".encode()
        ).fetchall()
        for row_key, place in rows:
            with admin.transaction(force_rollback=True):
                constraints_off(admin, table)
                change = FLIPS[kind].format(name)
                admin.execute(
                    f"UPDATE {table} SET {name} = {change} WHERE ctid = '{place}'".encode()
                )
                faults = find_faults_on(admin)
            assert faults, (table, name, row_key)
            named = {str(part) for part in faults[0]}
            assert key == name or str(row_key) in named, (table, name, row_key, faults[0])


def constraints_off(admin: psycopg.Connection[Any], table: str) -> None:
    """Somebody who may change rows may drop constraints too."""
    for (name,) in admin.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
        (table,),
    ).fetchall():
        admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())


def find_faults_on(admin: psycopg.Connection[Any]) -> list[Any]:
    found: list[Any] = []
    for check in CHECKS:
        found.extend(admin.execute(check.sql.encode()).fetchall())
    return found


def test_each_of_many_changed_rows_is_found(
    context: None, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    live(sized(ci=15, full=150))
    assert_ledger_balances()
    chosen = random.Random(11)
    wanted = sized(ci=100, full=1_000)
    entries = admin.execute(
        "SELECT citizen_id, transfer_id, account_id FROM ledger_entries ORDER BY 1, 2, 3"
    ).fetchall()
    sample = chosen.sample(entries, min(wanted, len(entries)))
    for citizen_id, transfer_id, account_id in sample:
        admin.execute(
            "UPDATE ledger_entries SET created_at = created_at + interval '1 microsecond'"
            " WHERE citizen_id = %s AND transfer_id = %s AND account_id = %s",
            (citizen_id, transfer_id, account_id),
        )
    named = {fault.transfer_id for fault in queries.verify()}
    assert {transfer_id for _, transfer_id, _ in sample} <= named


# A refused request moved nothing and an untouched account holds nothing: no sum misses them.
REMOVABLE = {
    "ledger_entries": "true",
    "ledger_transfers": "outcome = 'accepted'",
    "ledger_lots": "true",
    "ledger_lot_movements": "true",
    "ledger_hold_lots": "true",
    "ledger_open_holds": "true",
    "ledger_accounts": "version > 0",
}


@pytest.mark.parametrize("table", REMOVABLE)
def test_a_removed_row_is_found(
    context: None, admin: psycopg.Connection[Any], table: str
) -> None:
    live(1)
    rows = admin.execute(
        f"SELECT ctid::text FROM {table} WHERE {REMOVABLE[table]}".encode()
    ).fetchall()
    assert rows
    for (place,) in rows:
        with admin.transaction(force_rollback=True):
            admin.execute(f"DELETE FROM {table} WHERE ctid = '{place}'".encode())
            assert find_faults_on(admin), (table, place)


def test_a_rewritten_chain_is_found_by_its_anchor(
    context: None, admin: psycopg.Connection[Any]
) -> None:
    person = Person()
    person.grant(10)
    person.grant(20)
    anchor = operations.anchor_heads()
    rewrite_chain(admin)
    faults = queries.verify()
    assert [fault.invariant for fault in faults] == ["I7"]
    assert "anchored head" in faults[0].message
    assert faults[0].citizen_id == person.citizen_id
    assert anchor.head_count == 1


def rewrite_chain(admin: psycopg.Connection[Any]) -> None:
    """What a careful superuser would do: change the second grant and mend every hash after it."""
    admin.execute("""
    DO $$
    DECLARE
        t ledger_transfers; e ledger_entries; x uuid;
    BEGIN
        SELECT * INTO t FROM ledger_transfers ORDER BY created_at DESC LIMIT 1;
        SELECT * INTO e FROM ledger_entries
        WHERE transfer_id = t.transfer_id AND account_version IS NOT NULL;
        t.reason := 'forged';
        t.hash := ledger_transfer_hash(t);
        e.hash := ledger_entry_hash(e, t.hash, t.from_account_id, -e.amount_units);
        UPDATE ledger_transfers SET reason = t.reason, hash = t.hash
        WHERE transfer_id = t.transfer_id;
        UPDATE ledger_entries SET hash = e.hash
        WHERE transfer_id = t.transfer_id AND account_version IS NOT NULL;
        UPDATE ledger_accounts SET head_hash = e.hash;
    END $$
    """)


def test_an_anchor_commits_to_the_one_before(context: None) -> None:
    person = Person()
    person.grant(10)
    first = operations.anchor_heads(anchored_on=date(2026, 11, 1))
    assert operations.anchor_heads(anchored_on=date(2026, 11, 1)) == first
    empty = operations.anchor_heads(anchored_on=date(2026, 11, 2))
    person.grant(10)
    third = operations.anchor_heads(anchored_on=date(2026, 11, 3))
    assert [first.head_count, empty.head_count, third.head_count] == [1, 0, 1]
    assert len({first.digest, empty.digest, third.digest}) == 3
    assert_ledger_balances()


def test_a_forged_anchor_is_found(context: None, admin: psycopg.Connection[Any]) -> None:
    Person().grant(10)
    operations.anchor_heads()
    admin.execute("UPDATE ledger_anchors SET digest = sha256('forged')")
    assert [fault.invariant for fault in queries.verify()] == ["I7"]


def test_a_right_that_was_given_away_is_found(
    context: None, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("GRANT UPDATE ON ledger_entries TO card_web")
    try:
        faults = queries.verify()
    finally:
        admin.execute("REVOKE UPDATE ON ledger_entries FROM card_web")
    assert [str(fault) for fault in faults] == [
        "I8: card_web may UPDATE ledger_entries (whole ledger)"
    ]


def test_the_command_names_the_first_bad_row(
    committing_app: Flask, admin: psycopg.Connection[Any], test_database: Database
) -> None:
    runner = committing_app.test_cli_runner()
    with committing_app.app_context():
        posting = Person().grant(10)
    sound = runner.invoke(args=["ledger", "verify"])
    assert (sound.exit_code, sound.output) == (0, "the ledger and the redemptions are sound\n")
    admin.execute("UPDATE ledger_entries SET amount_units = 11 WHERE account_version IS NOT NULL")
    broken = runner.invoke(args=["ledger", "verify"])
    assert broken.exit_code == 1
    assert str(posting.transfer_id) in broken.output.splitlines()[0]


def test_the_command_prints_the_value_to_publish(committing_app: Flask) -> None:
    with committing_app.app_context():
        Person().grant(10)
    printed = committing_app.test_cli_runner().invoke(args=["ledger", "anchor"])
    _, digest, count, word = printed.output.split()
    assert (len(bytes.fromhex(digest)), count, word) == (32, "1", "heads")


def test_the_hash_can_be_computed_elsewhere(
    context: None, admin: psycopg.Connection[Any]
) -> None:
    """The canonical form, written down a second time: big-endian fields with type and length."""
    Person().grant(10, FAR)
    row = admin.execute(
        "SELECT e.citizen_id, e.transfer_id, e.account_id, e.amount_units, e.effective_on,"
        " e.balance_after_units, e.account_version, e.created_at, t.hash, x.account_id,"
        " x.amount_units, e.previous_hash, e.hash"
        " FROM ledger_transfers t"
        " JOIN ledger_entries e USING (citizen_id, transfer_id)"
        " JOIN ledger_entries x USING (citizen_id, transfer_id)"
        " WHERE e.account_version = 1 AND x.account_version IS NULL"
    ).fetchone()
    assert row
    *fields, stored = row
    assert hashlib.sha256(record_form(["entry 1", *fields])).digest() == stored


def record_form(values: list[Any]) -> bytes:
    return struct.pack(">i", len(values)) + b"".join(field_form(value) for value in values)


def field_form(value: Any) -> bytes:
    match value:
        case UUID():
            oid, data = UUID_OID, value.bytes
        case str():
            oid, data = TEXT_OID, value.encode()
        case int():
            oid, data = BIGINT_OID, struct.pack(">q", value)
        case datetime():
            since = value - datetime(2000, 1, 1, tzinfo=UTC)
            oid, data = INSTANT_OID, struct.pack(">q", since // timedelta(microseconds=1))
        case date():
            oid, data = DATE_OID, struct.pack(">i", (value - POSTGRES_DAY).days)
        case bytes():
            oid, data = BYTES_OID, value
        case _:
            raise TypeError(type(value))
    return struct.pack(">Ii", oid, len(data)) + data


def test_a_large_ledger_is_proved_in_time(
    context: None, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    grants = sized(ci=2_000, full=500_000)  # two entries each
    admin.execute(
        "SELECT count(ledger_grant(md5('p' || i / 50)::uuid, md5('t' || i)::uuid,"
        " md5('p' || i / 50)::uuid, 1 + i %% 50, '2090-01-01', '2026-11-01', 'bulk'))"
        " FROM generate_series(1, %s) AS i",
        (grants,),
    )
    admin.execute("ANALYZE ledger_entries, ledger_transfers, ledger_lots, ledger_accounts")
    began = database_time()
    assert_ledger_balances()
    assert database_time() - began < timedelta(seconds=60)
