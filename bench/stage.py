"""Sets up what is measured: the service, the floor beside it, citizens with vouchers, a clerk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
from flask import Flask
from sqlalchemy import text

from app.benefits.operations import let_merchant_take
from app.benefits.operations import load_catalogue as load_benefits
from app.config import Settings
from app.factory import create_app
from app.kernel.clock import city_date, now
from app.kernel.database import close_connections, transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.ledger import operations as ledger
from app.members.id_numbers import check_character
from app.members.operations import register_member
from app.members.sessions import OpenedSession, open_citizen_session, open_staff_session
from app.merchants import operations as merchants
from app.merchants.credit_codes import check_character as check_credit_character
from app.web.auth import Role, issue_tokens
from bench.vouchers import Voucher, claim_many
from demo.load import prepare_programme
from demo.processes import ROOT
from demo.servers import free_port
from demo.supervise import Stack, running_stack

CITIZENS = 300
CLERKS = 64  # each may scan 600 times a minute and process
VOUCHERS_PER_CITIZEN = 70  # rounds of redeem long enough that the first requests weigh little
PRICE_POINTS = 10
BENEFIT = "bench_ticket"
CATALOGUE = f"""
tiers = ["A", "AA", "AAA"]
[[benefit]]
code = "{BENEFIT}"
version = 1
name = "基准测试票"
kind = "ticket"
price_points = {PRICE_POINTS}
valid_from = 2026-01-01
merchants = "listed"
voucher_life_seconds = 86400
[benefit.baseline]
tickets = 1
[benefit.tiers.A]
tickets = 1
[benefit.tiers.AA]
tickets = 1
[benefit.tiers.AAA]
tickets = 1
"""
WEB_ENVIRONMENT = {"CARD_WEB_WORKERS": "2", "CARD_WEB_THREADS": "4"}


@dataclass(frozen=True)
class Ready:
    """What the measurements use."""

    stack: Stack
    web_port: int
    floor_port: int
    floor_pid: int
    floor_token: str
    postmaster_pid: int
    citizen_tokens: list[str] = field(repr=False)
    clerk_tokens: list[str] = field(repr=False)
    clerk_id: str
    clerk_session_id: str
    shop_id: str
    vouchers: list[Voucher] = field(repr=False)


@contextmanager
def stage(directory: Path) -> Iterator[Ready]:
    """Everything running and filled, for the duration of the block."""
    with running_stack(directory=directory, fresh=True, extra=WEB_ENVIRONMENT) as stack:
        stack.worker.ask_to_stop()  # its own work is not what is measured
        app = create_app(Settings.from_environ(stack.environment))
        with _floor() as (floor_pid, floor_port, floor_token):
            with app.app_context(), app.test_request_context():
                ready = _fill(app, stack, floor_pid, floor_port, floor_token)
                close_connections()
            yield ready


@contextmanager
def _floor() -> Iterator[tuple[int, int, str]]:
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("gunicorn")), "bench.floor:app", "--no-control-socket",
        "--config", "python:bench.floor",
        "--worker-class", "gthread", "--workers", "2", "--threads", "4",
        "--bind", f"127.0.0.1:{port}", "--log-level", "warning",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ})
    try:
        yield process.pid, port, _floor_token(port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _floor_token(port: int) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/token", timeout=2, trust_env=False)
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return answer.text


def _fill(
    app: Flask, stack: Stack, floor_pid: int, floor_port: int, floor_token: str
) -> Ready:
    keys: KeyProvider = app.extensions["card_keys"]
    prepare_programme()
    load_benefits(CATALOGUE)
    clerks, shop_id = _open_counter()
    citizens = [_make_citizen(keys, number) for number in range(CITIZENS)]
    with psycopg.connect(stack.database.admin_url, autocommit=True) as admin:
        vouchers = claim_many(
            admin, keys, citizens=[citizen.subject_id for citizen in citizens],
            benefit_code=BENEFIT, count=CITIZENS * VOUCHERS_PER_CITIZEN,
        )
        admin.execute("VACUUM ANALYZE")
        row = admin.execute("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")
        postmaster_pid = int(str((row.fetchone() or ("0",))[0]))
    return Ready(
        stack=stack,
        web_port=int(stack.base_url.rpartition(":")[2]),
        floor_port=floor_port,
        floor_pid=floor_pid,
        floor_token=floor_token,
        postmaster_pid=postmaster_pid,
        citizen_tokens=[token_of(citizen) for citizen in citizens],
        clerk_tokens=[token_of(clerk) for clerk in clerks],
        clerk_id=str(clerks[0].subject_id),
        clerk_session_id=str(clerks[0].session_id),
        shop_id=shop_id,
        vouchers=vouchers,
    )


def _open_counter() -> tuple[list[OpenedSession], str]:
    first = "91330702MA0000001"
    merchant = merchants.register_merchant(
        merchant_id=new_id(), credit_code=first + check_credit_character(first), name="影院"
    )
    shop = merchants.open_shop(shop_id=new_id(), merchant_id=merchant.merchant_id, name="前台")
    let_merchant_take(benefit_code=BENEFIT, merchant_id=merchant.merchant_id)
    clerks = [_employ_clerk(shop.shop_id, merchant.merchant_id) for _ in range(CLERKS)]
    return clerks, str(shop.shop_id)


def _employ_clerk(shop_id: UUID, merchant_id: UUID) -> OpenedSession:
    staff_id = new_id()
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO staff_accounts (staff_id, username, role, display_name)"
                " VALUES (:staff_id, :username, 'clerk', '窗口')"
            ),
            {"staff_id": staff_id, "username": f"clerk-{staff_id}"},
        )
        opened = open_staff_session(session, staff_id=staff_id, role="clerk")
    merchants.assign_staff(
        staff_id=staff_id, merchant_id=merchant_id, shop_id=shop_id, role="clerk"
    )
    return opened


def _make_citizen(keys: KeyProvider, number: int) -> OpenedSession:
    first = f"33070219900101{number % 1000:03d}"
    today = city_date(now())
    with transaction() as session:
        citizen_id = register_member(
            keys=keys, name="基准", id_number=first + check_character(first),
            phone=f"139{number:08d}", joined_on=today, channel="register",
        )
        opened = open_citizen_session(session, citizen_id=citizen_id)
        ledger.grant(
            citizen_id=citizen_id, transfer_id=new_id(),
            amount_points=PRICE_POINTS * VOUCHERS_PER_CITIZEN + 100,
            expires_on=today + timedelta(days=730), reason="volunteer_hours",
        ).require_accepted()
    return opened


def token_of(opened: OpenedSession) -> str:
    """What the session shows with each request."""
    return issue_tokens(
        role=Role(opened.role), subject_id=opened.subject_id, session_id=opened.session_id,
        refresh_id=opened.refresh_id, refresh_life=opened.life,
    ).access_token
