"""S46, R19: what is done to a sealed line of the trail is seen, and the line or seal is named."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest
from flask import Flask

from app.kernel.database import transaction
from app.kernel.ids import new_id, random_id
from app.records.catalogue import read_catalogue_file
from app.records.editing import publish_first_catalogue
from app.scoring.operations import publish_scheme
from app.scoring.publications import list_publications, publish_due
from app.scoring.scheme import read_scheme_file
from app.trail import heads, sealing
from app.trail.commands import trail_commands
from app.trail.operations import SYSTEM, Actor, prune_trail, record_access, record_act
from demo.servers import Database
from tests.members.api import keys_of

KEYS = {"trail_entries": "trail_id", "trail_acts": "act_id", "security_events": "event_id"}
REGISTERS = tuple(KEYS)
UUID_OID, TEXT_OID, BIGINT_OID, INSTANT_OID, BYTES_OID, TEXTS_OID = 2950, 25, 20, 1184, 17, 1009
CHANGED = "lines of a seal were changed, taken out or put in"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
UUID_FLIP = (
    "(encode(set_byte(uuid_send({0}), 15, get_byte(uuid_send({0}), 15) # 1), 'hex'))::uuid"
)
FLIPS = {
    "bigint": "{0} # 1",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "text": "CASE {0} WHEN '' THEN '_' ELSE overlay({0} placing '_' from 1 for 1) END",
    "uuid": UUID_FLIP,
    "bytea": "coalesce(set_byte({0}, 7, get_byte({0}, 7) # 1), '\\x01')",
    "ARRAY": "array_append({0}, 'more')",
}


def write_lines(count: int) -> None:
    clerk = Actor("operator", new_id())
    with transaction():
        for number in range(count):
            record_access(
                citizen_id=random_id(), actor=clerk, action="profile_opened",
                fields=["name", "phone"], reason=f"本人到窗口办理 {number}", basis="consent",
            )
            record_act(actor=clerk, action="made_up", subject=str(number), reason="试验一下")


@pytest.fixture
def sealed(job_app: Flask) -> Iterator[Flask]:
    """Two seals over lines of each register."""
    with job_app.app_context():
        for _ in range(2):
            write_lines(3)
            assert sealing.seal_lines() == 12  # an operator's acts stand in the log of security too
        assert sealing.verify() == []
        yield job_app


@pytest.fixture
def owner(test_database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Who owns the tables, and has given itself back what it gave up; all is undone."""
    with psycopg.connect(test_database.url("card_migrate"), autocommit=True) as connection:
        tables = ", ".join((*REGISTERS, "trail_seals"))
        connection.execute(f"GRANT ALL ON {tables} TO card_migrate".encode())
        yield connection
        for table, rights in (
            ("trail_entries", "UPDATE, TRUNCATE"), ("trail_acts", "UPDATE, DELETE, TRUNCATE"),
            ("security_events", "UPDATE, TRUNCATE"),
            ("trail_seals", "UPDATE, DELETE, TRUNCATE"),
        ):  # fmt: skip
            connection.execute(f"REVOKE {rights} ON {table} FROM card_migrate".encode())
        connection.execute(
            "GRANT UPDATE (seal_number, line_hash)"
            " ON trail_entries, trail_acts, security_events TO card_migrate"
        )
        connection.execute("GRANT UPDATE (emptied_at) ON trail_seals TO card_migrate")


def first_finding() -> sealing.Finding:
    findings = sealing.verify()
    assert findings, "nothing was noticed"
    return findings[0]


@pytest.mark.parametrize("register", REGISTERS)
def test_s46_a_change_of_any_column_is_found_and_the_line_named(
    sealed: Flask, owner: psycopg.Connection[Any], register: str
) -> None:
    key = KEYS[register]
    columns = owner.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s",
        (register,),
    ).fetchall()
    assert len(columns) > 8
    for name, kind in columns:
        before = owner.execute(f"SELECT * FROM {register} ORDER BY {key} LIMIT 1".encode())
        whole = before.fetchone()
        assert whole is not None
        line_id = owner.execute(
            f"SELECT {key} FROM {register} ORDER BY {key} LIMIT 1".encode()
        ).fetchone()
        assert line_id is not None
        change = "'source'" if name == "actor_kind" else FLIPS[kind].format(name)
        owner.execute(f"UPDATE {register} SET {name} = {change} WHERE {key} = %s".encode(), line_id)
        found = first_finding()
        assert found.register == register, (name, found)
        if name not in {key, "seal_number"}:
            assert found.line_id == line_id[0], (name, found)
        restore(owner, register, key, line_id[0], whole)
    assert sealing.verify() == []


def restore(
    owner: psycopg.Connection[Any], register: str, key: str, line_id: UUID, whole: Any
) -> None:
    flipped = UUID_FLIP.format("%(id)s::uuid")  # where the key itself was changed
    owner.execute(
        f"DELETE FROM {register} WHERE {key} IN (%(id)s, {flipped})".encode(), {"id": line_id}
    )
    put_in(owner, register, whole)


def put_in(owner: psycopg.Connection[Any], register: str, values: Any) -> None:
    places = ", ".join(["%s"] * len(values))
    owner.execute(f"INSERT INTO {register} VALUES ({places})".encode(), values)


@pytest.mark.parametrize("register", REGISTERS)
def test_s46_a_line_taken_out_or_put_in_is_found(
    sealed: Flask, owner: psycopg.Connection[Any], register: str
) -> None:
    key = KEYS[register]
    place = 1 if register == "trail_entries" else 0
    found = owner.execute(f"SELECT * FROM {register} WHERE seal_number = 1 LIMIT 1".encode())
    kept = found.fetchone()
    assert kept is not None
    expected = sealing.Finding(register, 1, None, CHANGED)
    owner.execute(f"DELETE FROM {register} WHERE {key} = %s".encode(), (kept[place],))
    assert first_finding() == expected
    put_in(owner, register, kept)
    assert sealing.verify() == []

    forged = [new_id() if at == place else value for at, value in enumerate(kept)]
    put_in(owner, register, forged)
    assert first_finding().line_id == forged[place]
    owner.execute(f"UPDATE {register} t SET line_hash = trail_line_hash(t)".encode())
    assert first_finding() == expected


def test_s46_lines_that_were_swapped_or_hashed_anew_are_found(
    sealed: Flask, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("""
        UPDATE trail_acts t SET reason = o.reason, subject = o.subject FROM trail_acts o
        WHERE t.seal_number = 1 AND o.seal_number = 2 AND t.subject = '0' AND o.subject = '1'
    """)
    assert first_finding().message == "a line does not match its hash"
    owner.execute("UPDATE trail_acts t SET line_hash = trail_line_hash(t)")
    assert first_finding() == sealing.Finding("trail_acts", 1, None, CHANGED)
    reseal(owner, 1)  # the seal is made anew too
    assert first_finding() == sealing.Finding(
        "trail_acts", 2, None, "a seal does not follow the one before"
    )


def reseal(owner: psycopg.Connection[Any], number: int) -> None:
    """What somebody does who knows how seals are made."""
    owner.execute(
        "UPDATE trail_seals s SET lines_digest = (SELECT sha256(string_agg(t.line_hash, ''"
        " ORDER BY t.line_hash)) FROM trail_acts t WHERE t.seal_number = s.seal_number)"
        " WHERE s.register = 'trail_acts' AND s.seal_number = %s",
        (number,),
    )
    owner.execute(
        "UPDATE trail_seals s SET previous_digest = coalesce((SELECT o.digest FROM trail_seals o"
        " WHERE o.register = s.register AND o.seal_number = s.seal_number - 1), previous_digest)"
        " WHERE s.register = 'trail_acts' AND s.seal_number = %s",
        (number,),
    )
    owner.execute(
        "UPDATE trail_seals s SET digest = trail_seal_hash(s)"
        " WHERE s.register = 'trail_acts' AND s.seal_number = %s",
        (number,),
    )


def test_s46_who_seals_everything_anew_is_seen_from_outside(
    sealed: Flask, owner: psycopg.Connection[Any], tmp_path: Path
) -> None:
    file, keys = tmp_path / "heads.jsonl", keys_of(sealed)
    assert heads.write_heads(file, keys=keys) == 3
    assert heads.write_heads(file, keys=keys) == 0
    owner.execute("UPDATE trail_acts SET reason = '没有这回事' WHERE seal_number = 1")
    owner.execute("UPDATE trail_acts t SET line_hash = trail_line_hash(t)")
    reseal(owner, 1)
    reseal(owner, 2)
    assert sealing.verify() == []  # inside nothing is left to see
    (found,) = heads.verify_heads(file, keys=keys)
    assert (found.seal_number, found.message) == (2, "a seal is not the one written down")
    owner.execute("DELETE FROM trail_seals WHERE register = 'trail_entries' AND seal_number = 2")
    owner.execute("DELETE FROM trail_entries WHERE seal_number = 2")
    assert sealing.verify() == []
    assert heads.verify_heads(file, keys=keys)[1] == sealing.Finding(
        "trail_entries", 2, None, "a seal that was written down is gone"
    )

    content = file.read_bytes()
    for changed in (content.replace(b'"seal_number":2', b'"seal_number":1', 1),
                    content.split(b"\n", 1)[1], b"nonsense\n" + content):  # fmt: skip
        file.write_bytes(changed)
        assert [one.register for one in heads.verify_heads(file, keys=keys)] == ["file of heads"]


def test_s46_a_restore_is_noted_and_hides_nothing_older(
    sealed: Flask, owner: psycopg.Connection[Any], tmp_path: Path
) -> None:
    file, keys = tmp_path / "heads.jsonl", keys_of(sealed)
    heads.write_heads(file, keys=keys)
    for table in (*REGISTERS, "trail_seals"):
        owner.execute(f"DELETE FROM {table} WHERE seal_number = 2".encode())
    runner = sealed.test_cli_runner()
    wrong = runner.invoke(trail_commands, ["verify", "--heads", str(file)])
    assert (wrong.exit_code, "is gone (seal 2)" in wrong.output) == (1, True)
    assert runner.invoke(trail_commands, ["note-restore", str(file)]).exit_code == 0
    good = runner.invoke(trail_commands, ["verify", "--heads", str(file)])
    assert (good.exit_code, "the trail is sound" in good.output) == (0, True)
    write_lines(1)
    assert runner.invoke(trail_commands, ["seal"]).output == "4 lines sealed\n"
    heads.write_heads(file, keys=keys)
    assert heads.verify_heads(file, keys=keys) == []
    owner.execute("UPDATE trail_seals SET digest = '\\x00' WHERE register = 'trail_acts'")
    assert len(heads.verify_heads(file, keys=keys)) == 2


def test_a_line_of_a_transaction_that_ends_late_comes_under_the_next_seal(
    sealed: Flask, test_database: Database, owner: psycopg.Connection[Any]
) -> None:
    append = (
        "SELECT trail_append(gen_random_uuid(), gen_random_uuid(), 'system', NULL, 'made_up', '{}',"
        " '', '')"
    )
    with psycopg.connect(test_database.url("card_web")) as slow:
        slow.execute(append)
        write_lines(1)
        assert sealing.seal_lines() == 4
        slow.commit()
    assert sealing.verify() == []  # it waits, and not yet for long
    assert sealing.seal_lines() == 1
    assert sealing.verify() == []
    put = (
        "INSERT INTO trail_acts SELECT gen_random_uuid(), 'system', NULL, 'made_up', 'x', '', '',"
        " now() + make_interval(hours => %s)"
    )
    told = {-2: "lines came long after their time", 2: "lines from a time to come"}
    for hours, message in told.items():
        owner.execute(put, (hours,))
        assert any("a line" in one.message for one in sealing.verify())
        assert sealing.seal_lines() == 1
        assert message in {one.message for one in sealing.verify()}


def test_r19_lines_go_with_their_seal_and_the_seals_still_prove(
    job_app: Flask, owner: psycopg.Connection[Any]
) -> None:
    with job_app.app_context():
        write_lines(3)
        aged = "UPDATE trail_entries SET created_at = now() - interval '1830 days' - interval {}"
        owner.execute(aged.format("'1 second'").encode())
        write_lines(1)
        owner.execute(
            "UPDATE trail_entries SET created_at = now() - interval '1830 days' + interval '1 hour'"
            " WHERE created_at > now() - interval '1 hour'"
        )
        sealing.seal_lines()
        assert [prune_trail(limit=1) for _ in range(2)] == [3, 0]
        assert sealing.verify() == []
        row = owner.execute("SELECT count(*) FROM trail_entries").fetchone()
        assert row == (1,)
        owner.execute("DELETE FROM trail_entries")
        owner.execute("UPDATE trail_seals SET emptied_at = now() WHERE register = 'trail_entries'")
        assert first_finding().message == "the lines of a seal were deleted before their time"


def test_not_even_the_owner_changes_what_a_line_says(
    committing_app: Flask, test_database: Database
) -> None:
    with psycopg.connect(test_database.url("card_migrate"), autocommit=True) as connection:
        for statement in (
            "UPDATE trail_entries SET reason = ''", "UPDATE trail_acts SET reason = ''",
            "DELETE FROM trail_acts", "UPDATE trail_seals SET digest = ''",
            "DELETE FROM trail_seals", "TRUNCATE trail_entries",
            "UPDATE security_events SET kind = ''", "TRUNCATE security_events",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def field(oid: int, value: bytes | None) -> bytes:
    if value is None:
        return struct.pack(">Ii", oid, -1)
    return struct.pack(">Ii", oid, len(value)) + value


def test_a_hash_can_be_computed_without_the_database(
    sealed: Flask, owner: psycopg.Connection[Any]
) -> None:
    row = owner.execute(
        "SELECT citizen_id, trail_id, actor_kind, actor_id, action, fields, reason, basis,"
        " created_at, line_hash FROM trail_entries LIMIT 1"
    ).fetchone()
    assert row is not None
    citizen, trail, kind, actor, action, fields, reason, basis, created_at, line_hash = row
    microseconds = (created_at - EPOCH) // timedelta(microseconds=1)
    names = struct.pack(">iiIii", 1, 0, TEXT_OID, len(fields), 1) + b"".join(
        struct.pack(">i", len(name)) + name.encode() for name in fields
    )
    parts = [
        (TEXT_OID, b"trail entry 1"), (UUID_OID, citizen.bytes), (UUID_OID, trail.bytes),
        (TEXT_OID, kind.encode()), (UUID_OID, actor.bytes), (TEXT_OID, action.encode()),
        (TEXTS_OID, names), (TEXT_OID, reason.encode()), (TEXT_OID, basis.encode()),
        (INSTANT_OID, struct.pack(">q", microseconds)),
    ]
    content = struct.pack(">i", len(parts)) + b"".join(field(*part) for part in parts)
    assert hashlib.sha256(content).digest() == line_hash


def test_without_lines_there_is_nothing_to_seal(job_app: Flask) -> None:
    with job_app.app_context():
        assert (sealing.seal_lines(), sealing.list_heads(), sealing.verify()) == (0, [], [])
        with transaction():
            record_access(citizen_id=random_id(), actor=SYSTEM, action="made_up")
        assert sealing.seal_lines() == 1


def test_s46_the_heads_of_a_day_are_published_with_the_figures(
    committing_app: Flask, job_app: Flask
) -> None:
    with committing_app.app_context():
        publish_first_catalogue(document=read_catalogue_file("jinhua"))
        publish_scheme(document=read_scheme_file("jinhua-xinyijin-2026.1"))
        write_lines(1)
    with job_app.app_context():
        sealing.seal_lines()
        for _ in range(2):  # what is published stays as it is
            publish_due(daily={"trail": sealing.heads_of_day})
            (found,) = [one for one in list_publications() if one.kind == "trail"]
            assert orjson.loads(found.content)["heads"] == [
                vars(head) for head in sealing.list_heads()
            ]
