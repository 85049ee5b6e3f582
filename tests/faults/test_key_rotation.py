"""D4: keys change while people join, read and redeem; nobody notices, and the old keys are gone.

Between a kill of the command that moves what is kept and its next start lies nothing that has to be
repaired.  A backup from before is readable with the keys in escrow.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from flask import Flask

from app.kernel.crypto import SealBrokenError
from app.kernel.ids import new_id
from app.kernel.keys import KeyRing
from app.members.queries import find_masked_profile
from app.web.auth import ACCESS_LIFE, Role, issue_tokens
from demo import population
from demo.servers import Database
from demo.supervise import Stack, keys_file, running_stack
from tests.conftest import ROOT, Sized, fresh_database
from tests.faults.city import application, counted, findings, wait_until
from tests.members.api import MEMBERSHIP, bearer, claims_of, keys_of
from tests.redemptions.builders import Clerk, make_clerk, make_merchant, publish_benefit
from wechat_integration.sandbox.control import SandboxControl

pytestmark = pytest.mark.timeout(3600)  # for the full size

SEED, LIVES = 7, 2
MOVED = (
    "data_wrap", "index_id_number", "index_openid", "staff_secret", "source_secret", "sign_in",
    "webhook_secret", "merchant_contact", "upload_wrap",
)
CHANGED = (*MOVED, "token", "code")
SERVICE = {"CARD_WEB_WORKERS": "1", "CARD_WEB_THREADS": "4", "CARD_TRUSTED_PROXIES": "1"}
ANSWER_SECONDS_MAX = 120  # on a busy machine a new worker takes long to start
NOT_UNDER = "SELECT count(*) FROM citizen_keys WHERE get_byte(wrapped_key, 1) <> {}"
NOT_INDEXED = """
    SELECT count(*) FROM (SELECT FROM citizen_lookup GROUP BY citizen_id, purpose
        HAVING NOT coalesce(bool_or(key_id = {}), false)) AS lacking
"""

# What is moved first, in the order of ids: looked at often, and cheap among a million.
KEYS_BEGUN = """
    SELECT count(*) FROM (SELECT wrapped_key FROM citizen_keys ORDER BY citizen_id LIMIT 1) AS one
    WHERE get_byte(wrapped_key, 1) = 2
"""
INDEX_BEGUN = """
    SELECT count(*) FROM citizen_lookup WHERE key_id = 2 AND purpose = 'id_number'
        AND citizen_id = (SELECT citizen_id FROM citizen_profiles ORDER BY citizen_id LIMIT 1)
"""


@dataclass(frozen=True)
class City:
    """A running service, a population, and a copy of its database from before."""

    stack: Stack
    admin: psycopg.Connection[Any]
    backup: Database
    members: int
    wechat: SandboxControl
    app: Flask  # as it was before the keys changed
    clerks: list[Clerk]
    benefit: str
    directory: Path

    @property
    def ring(self) -> Path:
        return keys_file(self.directory)

    @property
    def escrow(self) -> Path:
        return self.directory / "escrow.json"

    def token_of(self, clerk: Clerk) -> str:
        """A fresh one under the old key, which stays good: the full size outlives a token."""
        with self.app.app_context():
            return issue_tokens(
                role=Role.CLERK, subject_id=clerk.staff_id, session_id=clerk.session_id,
                refresh_id=new_id(), refresh_life=ACCESS_LIFE,
            ).access_token

    def begun(self, *words: str) -> subprocess.Popen[bytes]:
        """An operator's command as a process of its own, on its way."""
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "keys", *words], cwd=ROOT,
            env=self.stack.environment | {"DATABASE_URL": self.stack.database.url("card_job")},
        )

    def environment(self, *, of_backup: bool) -> dict[str, str]:
        """Of an operator, at the service or at the restored backup with a ring of its own."""
        database = self.backup if of_backup else self.stack.database
        ring = self.directory / "backup-keys.json" if of_backup else self.ring
        return self.stack.environment | {
            "DATABASE_URL": database.url("card_job"), "CARD_KEYS_FILE": str(ring),
        }

    def told(self, *commands: str, status: int = 0, of_backup: bool = False) -> str:
        """What operator's commands say, one after the other; all read the ring as it is now."""
        environment, said = self.environment(of_backup=of_backup), ""
        with application(environment, redis_url=self.stack.redis_url) as app:
            for command in commands:
                result = app.test_cli_runner().invoke(args=["keys", *command.split()])
                assert result.exit_code == status, (command, result.output, result.exception)
                said += result.output
        return said

    def restart(self) -> None:
        """Every process reads the ring: web workers one after the other, the job worker at once."""
        before = self._web_workers()
        self.stack.web.kill(signal.SIGHUP)
        self.stack.worker.kill(signal.SIGTERM)
        wait_until(lambda: before.isdisjoint(self._web_workers()), "new web workers", 120)
        wait_until(self.stack.worker.is_alive, "the new job worker")

    def _web_workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.stack.web.pid).children()}

    def an_age_later(self) -> None:
        """What was promoted in this test was promoted long ago."""
        document = json.loads(self.ring.read_text(encoding="utf-8"))
        for entry in itertools.chain(*document.values()):
            if "superseded_at" in entry:
                entry["superseded_at"] = "2026-01-01T00:00:00+00:00"
        self.ring.write_text(json.dumps(document), encoding="utf-8")


@dataclass
class Crowd:
    """People who go on with their lives: each answer must be the right one."""

    city: City
    troubles: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def living(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._live) for _ in range(LIVES)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def lived(self, more: int) -> None:
        """Wait until so many more have had their turn."""
        wanted = self.done["redeemed"] + more
        wait_until(lambda: self.done["redeemed"] >= wanted or bool(self.troubles), "lives", 300)

    def _live(self) -> None:
        # No proxy stands in between that would send again on another connection.
        once = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(
            base_url=self.city.stack.base_url, timeout=ANSWER_SECONDS_MAX, trust_env=False,
            limits=once,
        ) as client:
            before: tuple[str, str] | None = None
            while not self._over.is_set():
                number = next(self._numbers)
                try:
                    before = self._one_life(client, number, before)
                except (AssertionError, httpx.HTTPError, KeyError) as trouble:
                    self.troubles.append(f"life {number}: {trouble!r}")

    def _one_life(
        self, client: httpx.Client, number: int, before: tuple[str, str] | None
    ) -> tuple[str, str]:
        """Somebody who was registered joins, reads, claims and redeems; an earlier one returns."""
        headers = {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        openid, citizen = f"o{new_id().hex}", str(population.citizen_id(seed=SEED, number=number))
        tokens = self._joined(client, number, openid, headers)
        assert claims_of(tokens["access_token"])["sub"] == citizen, "a second citizen"
        tokens = self._answer(
            "refreshed", client.post("/api/v1/tokens/refresh", headers=headers | bearer(
                tokens["refresh_token"]))
        )
        me = headers | bearer(tokens["access_token"])
        shown = self._answer("read", client.get("/api/v1/me", headers=me))
        identity = population.id_number(seed=SEED, number=number)
        assert shown["id_number"] == f"{identity[:6]}********{identity[-4:]}"
        self._redeemed(client, me, self.city.clerks[number % len(self.city.clerks)])
        if before is not None:
            code = self.city.wechat.issue_login_code(openid=before[0])
            returned = self._answer("returned", client.post(
                "/api/v1/sign-in/wechat", headers=headers, json={"code": code}))
            assert claims_of(returned["tokens"]["access_token"])["sub"] == before[1]
        return openid, citizen

    def _joined(
        self, client: httpx.Client, number: int, openid: str, headers: dict[str, str]
    ) -> dict[str, Any]:
        wechat, name = self.city.wechat, population.name(seed=SEED, number=number)
        identity = population.id_number(seed=SEED, number=number)
        wechat.register_person(name=name, id_number=identity)
        code = wechat.issue_login_code(openid=openid)
        ticket = self._answer("signed in", client.post(
            "/api/v1/sign-in/wechat", headers=headers, json={"code": code}))["join_ticket"]
        return self._answer("joined", client.post("/api/v1/join", headers=headers, json={
            "ticket": ticket, "name": name, "id_number": identity, "consents": MEMBERSHIP,
            "phone_code": wechat.issue_phone_code(phone=f"138{number:08d}"),
        }))

    def _redeemed(self, client: httpx.Client, me: dict[str, str], clerk: Clerk) -> None:
        voucher = str(new_id())
        claim = {"voucher_id": voucher, "benefit_code": self.city.benefit}
        self._answer("claimed", client.post("/api/v1/me/vouchers", headers=me, json=claim))
        code = self._answer(
            "shown", client.get(f"/api/v1/me/vouchers/{voucher}/code", headers=me))["code"]
        scan = {"redemption_id": str(new_id()), "shop_id": str(clerk.shop_id), "code": code}
        self._answer("redeemed", client.post(
            "/api/v1/redemptions", headers=bearer(self.city.token_of(clerk)), json=scan))

    def _answer(self, what: str, response: httpx.Response) -> dict[str, Any]:
        assert response.is_success, f"{what}: {response.status_code} {response.text[:200]}"
        self.done[what] += 1
        body: dict[str, Any] = response.json()
        return body


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, servers: dict[str, Any], test_database: Database,
    redis_url: str, sized: Sized,
) -> Iterator[City]:
    members, directory = sized(ci=2_000, full=1_000_000), tmp_path_factory.mktemp("rotation")
    with ExitStack() as opened:
        name = f"{test_database.name}_rotation"
        database = opened.enter_context(
            fresh_database(servers, name, template=servers["template"])
        )
        population.populate(
            admin_url=database.admin_url, keys=KeyRing.from_file(keys_file(directory)),
            members=members, records_per_member=0, seed=SEED,
        )
        backup = opened.enter_context(fresh_database(servers, f"{name}_backup", template=name))
        stack = opened.enter_context(running_stack(
            directory=directory, database=database, redis_url=redis_url, extra=SERVICE
        ))
        app = opened.enter_context(application(stack.environment, redis_url=redis_url))
        benefit, merchant_id = publish_benefit(app), make_merchant(app)
        yield City(
            stack, opened.enter_context(psycopg.connect(database.admin_url, autocommit=True)),
            backup, members, opened.enter_context(SandboxControl(base_url=stack.sandbox_url)), app,
            [make_clerk(app, takes=(benefit,) if at == 0 else (), merchant_id=merchant_id)
             for at in range(LIVES * 2)],
            benefit, directory,
        )


def test_d4_keys_change_under_load_and_the_old_ones_go(city: City, sized: Sized) -> None:
    crowd, batch = Crowd(city), sized(ci=50, full=1_000)
    with crowd.living():
        # Another suite for some: what is kept keeps its own.
        city.told(
            *(f"add {purpose} --suite SM4_GCM_SM3" for purpose in CHANGED[:2]),
            *(f"add {purpose}" for purpose in CHANGED[2:]),
        )
        city.restart()
        city.told(*(f"promote {purpose} 2" for purpose in CHANGED))
        city.restart()
        crowd.lived(5)
        killed_in_the_middle(city, "data_wrap", KEYS_BEGUN, NOT_UNDER.format(2), batch)
        killed_in_the_middle(city, "index_id_number", INDEX_BEGUN, NOT_INDEXED.format(2), batch)
        city.stack.worker.kill(signal.SIGKILL)
        city.told(*(f"rewrap {purpose}" for purpose in CHANGED))
        assert counted(city.admin, NOT_UNDER.format(2)) == 0
        assert counted(city.admin, NOT_INDEXED.format(2)) == 0

        city.an_age_later()
        city.told(*(f"retire {purpose} 1 {city.escrow}" for purpose in MOVED))
        city.restart()
        said = city.told(*(f"rewrap {purpose}" for purpose in MOVED), "status")
        crowd.lived(5)

    assert crowd.troubles == []
    assert min(crowd.done.values()) > 10
    assert counted(city.admin, NOT_UNDER.format(2)) == 0
    assert counted(city.admin, "SELECT count(*) FROM citizen_lookup WHERE key_id <> 2") == 0
    assert counted(city.admin, "SELECT count(*) FROM citizens") == city.members
    assert "data_wrap\t2\tSM4_GCM_SM3\tactive\nupload_wrap" in said
    with application(city.stack.environment, redis_url=city.stack.redis_url) as app:
        assert findings(app) == []


def test_d4_an_old_backup_is_read_with_the_keys_in_escrow(city: City) -> None:
    """After the keys have changed."""
    shutil.copy(city.ring, city.directory / "backup-keys.json")
    assert f"{city.members} citizen_keys.wrapped_key" in city.told(
        "status", status=1, of_backup=True
    )
    with pytest.raises(SealBrokenError):
        shown(city)
    assert f"{len(MOVED)} keys" in city.told(f"readmit {city.escrow}", of_backup=True)
    assert shown(city) == population.id_number(seed=SEED, number=city.members - 1)[-4:]
    city.told("rewrap data_wrap", "rewrap index_id_number", "status", of_backup=True)
    with psycopg.connect(city.backup.admin_url) as admin:
        assert counted(admin, NOT_UNDER.format(2)) == counted(admin, NOT_INDEXED.format(2)) == 0


def test_a_key_that_is_taken_out_too_early_is_found_out(city: City) -> None:
    """The control, which leaves a mess behind: the ring forgets what everything is under."""
    city.told("add data_wrap")
    document = json.loads(city.ring.read_text(encoding="utf-8"))
    document["data_wrap"] = document["data_wrap"][1:]
    city.ring.write_text(json.dumps(document), encoding="utf-8")
    city.restart()
    crowd = Crowd(city, _numbers=itertools.count(city.members - 10))
    with crowd.living():
        wait_until(lambda: bool(crowd.troubles), "troubles")
    assert f"{city.members} citizen_keys.wrapped_key" in city.told("status", status=1)


def shown(city: City) -> str:
    """The end of the last member's identity number, as the restored backup has it."""
    citizen_id = population.citizen_id(seed=SEED, number=city.members - 1)
    environment = city.environment(of_backup=True)
    with application(environment, redis_url=city.stack.redis_url) as app, app.app_context():
        profile = find_masked_profile(keys=keys_of(app), citizen_id=citizen_id)
    assert profile is not None
    return profile.id_number[-4:]


def killed_in_the_middle(city: City, purpose: str, begun: str, left: str, batch: int) -> None:
    """Move a part, and kill -9 the command before it is done."""
    assert counted(city.admin, begun) == 0
    process = city.begun("rewrap", purpose, "--batch", str(batch))
    wait_until(lambda: counted(city.admin, begun) == 1, f"{purpose} on its way", 300)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert counted(city.admin, left) > 0
