"""Balance, pass code, preview and redeem over HTTP, beside the floors of the same run."""

from __future__ import annotations

import itertools
import json
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.kernel.ids import new_id
from bench.cpu import children_cpu_seconds, tree_cpu_seconds
from bench.database import measure_redeem_in_database
from bench.load import LoadResult, request_bytes, run_load
from bench.stage import Ready
from bench.vouchers import Voucher

ROUNDS = 7
SECONDS = 2.0
WARM_SECONDS = 1.5
CONNECTIONS = 16
REDEEM_SHARE = 0.6  # of the vouchers; the rest is for the database alone and for latency
LOPSIDED_SHARE = 0.8  # a worker with more than this of the CPU time: the round says nothing
API = "/api/v1"

GOALS = {"balance": 0.80, "mint pass code": 0.85, "preview": 0.60, "redeem": 0.40}


@dataclass(frozen=True)
class Sample:
    """One undisturbed round of one case."""

    per_second: float
    app_cpu_us: float
    database_cpu_us: float


@dataclass
class Case:
    """A route and what is asked of it."""

    name: str
    port: int
    pid: int
    requests: Callable[[], Iterator[bytes]]
    expected_status: int = 200
    samples: list[Sample] = field(default_factory=list)


def measure_hot_paths(ready: Ready) -> list[dict[str, Any]]:
    """All figures, the floors first."""
    stock = iter(ready.vouchers)
    per_round = int(len(ready.vouchers) * REDEEM_SHARE / (ROUNDS + 1))  # one to warm up
    cases = _cases(ready, stock, per_round)
    for case in cases:
        _load(case, seconds=WARM_SECONDS)
    for _ in range(ROUNDS):
        for case in cases:
            _measure(case, ready)
    figures = _figures(cases)
    figures += _latency(ready, cases[-1], stock)
    figures += measure_redeem_in_database(ready, stock, cases[-1].port)
    return figures


def _cases(ready: Ready, stock: Iterator[Voucher], per_round: int) -> list[Case]:
    web, web_pid = ready.web_port, ready.stack.web.pid
    floor, floor_pid = ready.floor_port, ready.floor_pid
    return [
        Case("bare Flask", floor, floor_pid, lambda: itertools.repeat(
            request_bytes(method="GET", path="/bare"))),
        Case("J", floor, floor_pid, lambda: itertools.repeat(
            request_bytes(method="GET", path="/floor", token=ready.floor_token))),
        Case("balance", web, web_pid, lambda: _of_citizens(ready, "GET", "/me/balance")),
        Case("mint pass code", web, web_pid, lambda: _of_citizens(ready, "POST", "/me/pass-code")),
        Case("preview", web, web_pid, lambda: _previews(ready)),
        Case("redeem", web, web_pid, lambda: _redemptions(
            ready, itertools.islice(stock, per_round))),
    ]  # fmt: skip


def _of_citizens(ready: Ready, method: str, path: str) -> Iterator[bytes]:
    body = None if method == "GET" else b""
    prepared = [
        request_bytes(method=method, path=API + path, token=token, body=body)
        for token in ready.citizen_tokens
    ]
    random.Random(7).shuffle(prepared)
    return itertools.cycle(prepared)


def _previews(ready: Ready) -> Iterator[bytes]:
    prepared = [
        _post(ready, n, "/redemptions/preview", {"shop_id": ready.shop_id, "code": voucher.code})
        for n, voucher in enumerate(ready.vouchers[-500:])  # never redeemed by the cases before
    ]
    return itertools.cycle(prepared)


def _redemptions(ready: Ready, vouchers: Iterator[Voucher]) -> Iterator[bytes]:
    return iter([
        _post(ready, n, "/redemptions", {
            "redemption_id": str(new_id()), "shop_id": ready.shop_id, "code": voucher.code,
        })
        for n, voucher in enumerate(vouchers)
    ])


def _post(ready: Ready, number: int, path: str, body: dict[str, Any]) -> bytes:
    token = ready.clerk_tokens[number % len(ready.clerk_tokens)]
    return request_bytes(
        method="POST", path=API + path, token=token, body=json.dumps(body).encode()
    )


def _load(case: Case, seconds: float = SECONDS, **options: Any) -> LoadResult:
    result = run_load(
        port=case.port, requests=case.requests(), connections=CONNECTIONS, seconds=seconds,
        **options,
    )
    wrong = {status: n for status, n in result.statuses.items() if status != case.expected_status}
    if wrong:
        shown = {status: result.samples[status][-300:] for status in wrong}
        message = f"{case.name}: unexpected answers {wrong}: {shown}"
        raise RuntimeError(message)
    return result


def _measure(case: Case, ready: Ready) -> None:
    app_before, database_before = tree_cpu_seconds(case.pid), tree_cpu_seconds(ready.postmaster_pid)
    workers_before = children_cpu_seconds(case.pid)
    result = _load(case, seconds=SECONDS if case.name != "redeem" else 60.0)
    workers = children_cpu_seconds(case.pid)
    spent = [workers[pid] - workers_before.get(pid, 0.0) for pid in workers]
    if sum(spent) and max(spent) / sum(spent) > LOPSIDED_SHARE:
        return
    case.samples.append(Sample(
        per_second=result.per_second,
        app_cpu_us=(tree_cpu_seconds(case.pid) - app_before) / result.answers * 1e6,
        database_cpu_us=(
            tree_cpu_seconds(ready.postmaster_pid) - database_before) / result.answers * 1e6,
    ))  # fmt: skip


def _figures(cases: list[Case]) -> list[dict[str, Any]]:
    floor = statistics.median(sample.per_second for sample in cases[1].samples)
    floor_cpu = statistics.median(sample.app_cpu_us for sample in cases[1].samples)
    figures: list[dict[str, Any]] = []
    for case in cases:
        rate = statistics.median(sample.per_second for sample in case.samples)
        app_cpu = statistics.median(sample.app_cpu_us for sample in case.samples)
        database_cpu = statistics.median(sample.database_cpu_us for sample in case.samples)
        figures += [
            {
                "name": f"{case.name}: requests ÷ J", "value": round(rate), "unit": "requests/s",
                "ratio": round(rate / floor, 3), "limit": GOALS.get(case.name),
                "rounds": len(case.samples),
            },
            {
                "name": f"{case.name}: CPU, application + database",
                "value": round(app_cpu + database_cpu), "unit": "µs/request",
                "ratio": round((app_cpu + database_cpu) / floor_cpu, 2), "limit": None,
                "application_us": round(app_cpu), "database_us": round(database_cpu),
            },
        ]
    return figures


def _latency(ready: Ready, redeem: Case, stock: Iterator[Voucher]) -> list[dict[str, Any]]:
    """The p99 of redeem at 60 % of its own rate."""
    rate = statistics.median(sample.per_second for sample in redeem.samples) * 0.6
    vouchers = list(itertools.islice(stock, int(len(ready.vouchers) * 0.1)))
    paced = Case("redeem", redeem.port, redeem.pid, lambda: _redemptions(ready, iter(vouchers)))
    result = _load(paced, seconds=60.0, interval_seconds=1 / rate)
    return [{
        "name": "redeem: p99 at 60 % of its rate", "value": round(result.quantile_ms(0.99), 1),
        "unit": "ms", "ratio": None, "limit": 40, "median_ms": round(result.quantile_ms(0.5), 1),
    }]
