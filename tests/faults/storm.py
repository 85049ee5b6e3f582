"""A storm of redeem calls by many clients, while parts of the service are killed."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import psutil
import psycopg

from app.kernel.ids import new_id
from demo.servers import Postgres
from demo.supervise import Stack
from tests.faults.city import City, redeem_body, wait_until

PATH = "/api/v1/redemptions"
CALL_SECONDS_MAX = 10.0  # then the client gives a connection up
ANSWER_SECONDS_MAX = 120.0  # then the client gives the answer up for lost
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Call:
    """A redeem call: the id and the body stay the same however often it is sent."""

    voucher_id: UUID
    redemption_id: UUID
    token: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a call was answered in the end, and when."""

    status: int
    content: bytes
    at: float

    def code(self) -> str:
        """Nothing, or the code of the refusal."""
        if self.status == httpx.codes.OK:
            return ""
        return str(httpx.Response(self.status, content=self.content).json()["code"])


@dataclass
class Storm:
    """Calls and their answers; `troubles` are what made a client send a call again."""

    calls: list[Call]
    answers: dict[UUID, Answer] = field(default_factory=dict)
    troubles: Counter[str] = field(default_factory=Counter)
    killed_at: list[float] = field(default_factory=list)

    def blow(self, base_url: str, *, clients: int, kills: list[Callable[[], None]]) -> None:
        """Send everything; kill at random points of the progress; wait for every answer."""
        chance = random.Random(len(self.calls))
        points = sorted(int(chance.uniform(0.05, 0.9) * len(self.calls)) for _ in kills)
        with ThreadPoolExecutor(clients) as pool:
            sending = [
                pool.submit(self._send_all, base_url, self.calls[at::clients])
                for at in range(clients)
            ]
            for point, kill in zip(points, kills, strict=True):
                wait_until(
                    lambda point=point: len(self.answers) >= point,  # type: ignore[misc]
                    f"{point} answers", ANSWER_SECONDS_MAX,
                )
                kill()
                self.killed_at.append(time.monotonic())
            for sent in sending:
                for redemption_id, answer in sent.result().items():
                    assert self.answers[redemption_id] == answer

    def recovery_seconds(self) -> list[float]:
        """How long after each kill the next answer came."""
        return [
            min(answer.at for answer in self.answers.values() if answer.at > moment) - moment
            for moment in self.killed_at
        ]

    def send_again(self, base_url: str, *, clients: int) -> list[str]:
        """Send every call again; the differences to the first answers."""
        again = Storm(self.calls)
        again.blow(base_url, clients=clients, kills=[])
        return [
            f"{one} was answered {first.status} {first.content!r} and then"
            f" {again.answers[one].status} {again.answers[one].content!r}"
            for one, first in self.answers.items()
            if (first.status, first.content)
            != (again.answers[one].status, again.answers[one].content)
        ]

    def violations(self) -> list[str]:
        """Where the answers are not those of vouchers that are redeemed once each."""
        found = [
            f"{call.redemption_id} was never answered"
            for call in self.calls if call.redemption_id not in self.answers
        ]
        outcomes: dict[UUID, Counter[str]] = {}
        for call in self.calls:
            if call.redemption_id in self.answers:
                code = self.answers[call.redemption_id].code()
                outcomes.setdefault(call.voucher_id, Counter())[code] += 1
        for voucher_id, codes in outcomes.items():
            if codes[""] != 1 or set(codes) - {"", "already_redeemed"}:
                found.append(f"voucher {voucher_id}: {dict(codes)}")
        found += [
            f"trouble {name} × {times}"
            for name, times in self.troubles.items() if name.isdigit() and name != "503"
        ]
        return found

    def _send_all(self, base_url: str, calls: list[Call]) -> dict[UUID, Answer]:
        given = {}
        with httpx.Client(
            base_url=base_url, timeout=CALL_SECONDS_MAX, trust_env=False
        ) as client:
            for call in calls:
                answer = self._send(client, call)
                given[call.redemption_id] = self.answers[call.redemption_id] = answer
        return given

    def _send(self, client: httpx.Client, call: Call) -> Answer:
        """Send until there is an answer; 503 and a broken connection are none."""
        headers = {
            "Authorization": f"Bearer {call.token}", "Content-Type": "application/json",
        }
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                got = client.post(PATH, content=call.body, headers=headers)
            except httpx.TransportError as error:
                self.troubles[type(error).__name__] += 1
            else:
                if got.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return Answer(got.status_code, got.content, time.monotonic())
                self.troubles[str(got.status_code)] += 1
            threading.Event().wait(PAUSE_SECONDS)
        message = f"{call.redemption_id} was not answered: {self.troubles}"
        raise AssertionError(message)


def prepare_storm(city: City, *, ids_per_voucher: int) -> Storm:
    """Calls in an order that lets many clients ask for one voucher at a time, and not always."""
    chance = random.Random(len(city.holders))
    calls = []
    for ticket in city.tickets():
        for _ in range(ids_per_voucher):
            clerk = chance.choice(city.clerks)
            redemption_id = new_id()
            token = clerk.headers["Authorization"].removeprefix("Bearer ")
            body = redeem_body(clerk, ticket.code, redemption_id)
            calls.append(Call(ticket.voucher_id, redemption_id, token, body))
    # Neighbours stay near each other: rows of calls for one voucher, cut into pieces and mixed.
    pieces = [calls[at : at + 4] for at in range(0, len(calls), 4)]
    chance.shuffle(pieces)
    return Storm([call for piece in pieces for call in piece])


@dataclass
class Killer:
    """Kills parts of a stack whose database is on a server of its own."""

    stack: Stack
    postgres: Postgres
    chance: random.Random = field(default_factory=lambda: random.Random(20))
    killed: Counter[str] = field(default_factory=Counter)

    def web_worker(self) -> None:
        """kill -9 of a gunicorn worker, which its master starts again."""
        master = psutil.Process(self.stack.web.pid)
        wait_until(lambda: bool(master.children()), "a web worker to kill")
        self.chance.choice(master.children()).kill()
        self.killed["web worker"] += 1

    def job_worker(self) -> None:
        """kill -9 of the job worker, which the stack starts again."""
        wait_until(self.stack.worker.is_alive, "a job worker to kill")
        self.stack.worker.kill()
        self.killed["job worker"] += 1

    def backend(self) -> None:
        """kill -9 of a backend of PostgreSQL, which then ends all others and recovers."""
        wait_until(self._killed_backend, "a backend to kill")
        self.killed["backend"] += 1

    def _killed_backend(self) -> bool:
        try:
            with psycopg.connect(self.stack.database.admin_url) as admin:
                row = admin.execute(
                    "SELECT pid FROM pg_stat_activity WHERE usename = 'card_web'"
                    " ORDER BY state = 'active' DESC LIMIT 1"
                ).fetchone()
        except psycopg.OperationalError:  # it is recovering from the last kill
            return False
        if row is None:
            return False
        psutil.Process(row[0]).kill()
        return True

    def power_cut(self) -> None:
        """`pg_ctl stop -m immediate`, and the start after it."""
        self.postgres.crash()
        self.killed["power cut"] += 1
        self.postgres.start_again()

    def plan(self, *, web: int, job: int, backends: int) -> list[Callable[[], None]]:
        """So many of each, and one power cut, in a random order."""
        kills = [self.web_worker] * web + [self.job_worker] * job + [self.backend] * backends
        kills.append(self.power_cut)
        self.chance.shuffle(kills)
        return kills
