"""Changing keys by command: what moves, what is waited for, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.config import Settings
from app.counter.cards import number_context
from app.counter.numbers import new_number, number_hashes
from app.factory import create_app
from app.kernel.crypto import new_wrapped_key, open_wrapped_key, seal
from app.kernel.database import close_connections, transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider, KeyPurpose, KeyRing, new_key_document
from app.kernel.rotation import Closed
from app.members import operations as members
from app.members.queries import find_citizens_by_id_numbers, find_data_key
from app.records.uploads import key_context
from app.redemptions.vouchers import claim_voucher
from app.rotation import STAYING, STOCKS
from app.webhooks import signing
from demo.servers import Database
from tests.members.api import let_show_tokens, make_staff, sign_in_staff
from tests.members.people import made_up_member
from tests.redemptions.builders import make_citizen, make_merchant, publish_benefit

MOVED = (
    "data_wrap", "index_id_number", "staff_secret", "source_secret", "sign_in", "webhook_secret",
    "upload_wrap", "code",
)


@dataclass
class Operator:
    """Somebody with the ring's file and the worker's rights."""

    settings: Settings
    ring: Path

    @contextmanager
    def app(self) -> Iterator[Flask]:
        """The application as a process that starts now."""
        app = create_app(replace(self.settings, keys_file=self.ring))
        yield app
        with app.app_context():
            close_connections()

    def says(self, *commands: str, status: int = 0) -> str:
        said = ""
        with self.app() as app:
            for command in commands:
                result = app.test_cli_runner().invoke(args=["keys", *command.split()])
                assert result.exit_code == status, (command, result.output, result.exception)
                said += result.output
        return said

    def keys(self) -> KeyRing:
        return KeyRing.from_file(self.ring)

    def promoted_at(self, moment: datetime) -> None:
        """Change when keys were promoted."""
        document = json.loads(self.ring.read_text(encoding="utf-8"))
        for entries in document.values():
            for entry in entries[1:]:
                entry["superseded_at"] = moment.isoformat()
        self.ring.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def operator(
    committing_app: Flask, settings: Settings, test_database: Database, tmp_path: Path
) -> Operator:
    ring = tmp_path / "keys.json"
    ring.write_text(json.dumps(new_key_document()), encoding="utf-8")
    return Operator(replace(settings, database_url=test_database.url("card_job")), ring)


@pytest.fixture
def city(operator: Operator, settings: Settings) -> Iterator[Flask]:
    """The web service with the same ring."""
    app = create_app(replace(settings, keys_file=operator.ring))
    yield app
    with app.app_context():
        close_connections()


def test_r30_every_purpose_is_moved_waited_for_or_kept() -> None:
    unused = {KeyPurpose.INDEX_PHONE}
    assert {stock.purpose for stock in STOCKS} | set(STAYING) | unused == set(KeyPurpose)


def test_r30_every_wrapped_key_is_moved(admin: psycopg.Connection[Any]) -> None:
    found = admin.execute(
        "SELECT table_name || '.' || column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name LIKE '%wrapped%'"
    ).fetchall()
    moved = {one.name for one in STOCKS if isinstance(one, Closed) and one.is_key}
    assert {row[0] for row in found} == moved


def test_d4_everything_is_read_by_the_new_keys_alone(
    operator: Operator, city: Flask, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    people = [made_up_member() for _ in range(5)]
    staff = make_staff(city)
    with city.app_context():
        old = operator.keys()
        with transaction():
            found = members.register_members(keys=old, people=people)
            source = members.create_source_account(keys=old, name="血液中心")
        let_show_tokens(source.source_id)
    number = keep_card(admin, city, old, found[0].citizen_id)
    endpoint, secret = keep_endpoint(admin, city, old)
    upload_id = new_id()
    upload_key, wrapped = new_wrapped_key(
        old, KeyPurpose.UPLOAD_WRAP, context=key_context(upload_id)
    )
    admin.execute(
        "INSERT INTO delivery_uploads (upload_id, wrapped_key) VALUES (%s, %s)",
        (upload_id, wrapped),
    )

    operator.says(*(f"add {one} --suite SM4_GCM_SM3" for one in MOVED))
    operator.says(*(f"promote {one} 2" for one in MOVED))
    assert "5 citizen_keys.wrapped_key" in operator.says("status")
    operator.says(*(f"rewrap {one} --batch 2" for one in MOVED))
    operator.promoted_at(datetime(2026, 1, 1, tzinfo=UTC))
    escrow = tmp_path / "escrow.json"
    said = operator.says("status", *(f"retire {one} 1 {escrow}" for one in MOVED))
    assert said.count("needed by nothing") == len(MOVED)
    assert "citizen_lookup of id_number\t5" in operator.says("rewrap index_id_number", "status")

    fresh = operator.keys()
    assert {key.id for one in MOVED for key in fresh.all(KeyPurpose(one))} == {2}
    with operator.app() as app, app.app_context():
        known = find_citizens_by_id_numbers(
            keys=fresh, id_numbers=[person.id_number for person in people]
        )
        assert [known[p.id_number].citizen_id for p in people] == [o.citizen_id for o in found]
    with city.app_context():
        members.sign_in_source(
            keys=fresh, credential_id=source.credential_id, secret=source.secret
        )
    row = admin.execute(
        "SELECT (SELECT secret_sealed FROM webhook_endpoints), (SELECT wrapped_key FROM"
        " delivery_uploads), (SELECT number_hash FROM paper_card_numbers)"
    ).fetchone()
    assert row is not None
    assert signing.open_secret(fresh, row[0], endpoint_id=endpoint) == secret
    context = key_context(upload_id)
    assert open_wrapped_key(fresh, KeyPurpose.UPLOAD_WRAP, row[1], context=context) == upload_key
    assert [row[2]] == number_hashes(fresh, number)
    with restarted(city, operator) as app:
        assert sign_in_staff(app.test_client(), staff).status_code == 200


def test_d4_a_key_waits_for_what_is_alive_under_it(
    operator: Operator, city: Flask, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    citizen_id = make_citizen(city).citizen_id
    with city.app_context():
        claim_voucher(
            citizen_id=citizen_id, voucher_id=new_id(), benefit_code=publish_benefit(city)
        )
    operator.says("add token", "add code", "promote token 2", "promote code 2")
    escrow, now = tmp_path / "escrow.json", datetime.now(UTC)
    assert "is good until" in operator.says(f"retire token 1 {escrow}", status=1)
    operator.promoted_at(now - timedelta(hours=2))
    operator.says(f"retire token 1 {escrow}")  # everything was made after every process restarted
    operator.says(f"readmit {escrow}")
    operator.promoted_at(now - timedelta(hours=2))
    earlier = UUID(int=int((now - timedelta(minutes=90)).timestamp() * 1000) << 80 | 7 << 76)
    admin.execute("UPDATE citizen_sessions SET refresh_id = %s", (earlier,))
    admin.execute("UPDATE vouchers SET claimed_at = %s", (now - timedelta(minutes=90),))
    said = operator.says(f"retire token 1 {escrow}", f"retire code 1 {escrow}", status=1)
    assert "1 sessions not refreshed since" in said
    assert "1 open vouchers claimed before" in said
    operator.says(f"retire token 1 {escrow} --stolen", f"retire code 1 {escrow} --stolen")
    assert [key.id for key in operator.keys().all(KeyPurpose.TOKEN)] == [2]


def test_d4_what_must_not_go_is_refused(
    operator: Operator, city: Flask, tmp_path: Path
) -> None:
    escrow = tmp_path / "escrow.json"
    with city.app_context(), transaction():
        members.register_members(keys=operator.keys(), people=[made_up_member()])
    for purpose in (*STAYING, KeyPurpose.DATA_WRAP):
        operator.says(f"add {purpose}", f"promote {purpose} 2")
        said = operator.says(f"retire {purpose} 1 {escrow} --stolen", status=1)
        assert STAYING.get(purpose, "needed by 1 citizen_keys.wrapped_key") in said
    assert not escrow.exists()


def keep_card(
    admin: psycopg.Connection[Any], city: Flask, keys: KeyProvider, citizen_id: UUID
) -> str:
    """A paper card and its number."""
    number, card_id = new_number(), new_id()
    with city.app_context():
        data_key = find_data_key(keys=keys, citizen_id=citizen_id)
    assert data_key is not None
    sealed = seal(data_key, number.encode(), context=number_context(card_id))
    admin.execute(
        "INSERT INTO paper_cards (citizen_id, card_id, number_sealed, issued_by)"
        " VALUES (%s, %s, %s, %s)", (citizen_id, card_id, sealed, new_id()),
    )
    admin.execute(  # as an older release wrote it
        "INSERT INTO paper_card_numbers (number_hash, citizen_id, card_id) VALUES (%s, %s, %s)",
        (number_hashes(keys, number)[0], citizen_id, card_id),
    )
    return number


def keep_endpoint(
    admin: psycopg.Connection[Any], city: Flask, keys: KeyProvider
) -> tuple[UUID, bytes]:
    """A place for webhooks and its secret."""
    endpoint_id, secret = new_id(), signing.new_secret()
    admin.execute(
        "INSERT INTO webhook_endpoints (merchant_id, endpoint_id, url, event_types, secret_sealed)"
        " VALUES (%s, %s, 'https://shop.example', '{}', %s)",
        (
            make_merchant(city), endpoint_id,
            signing.seal_secret(keys, secret, endpoint_id=endpoint_id),
        ),
    )
    return endpoint_id, secret


@contextmanager
def restarted(city: Flask, operator: Operator) -> Iterator[Flask]:
    """The web service with the ring as it is now."""
    app = create_app(replace(city.extensions["card_settings"], keys_file=operator.ring))
    yield app
    with app.app_context():
        close_connections()
