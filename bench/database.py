"""The redeem statement in the database alone: pgbench with the same function, 8 clients."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import psycopg

from app.kernel.ids import new_id
from bench.load import request_bytes, run_load
from bench.stage import Ready
from bench.vouchers import Voucher
from demo.servers import postgres_binary

CLIENTS = 8
SHARE = 0.1  # of the vouchers, for pgbench; as many again for the same load over HTTP
GOAL = 0.20
SCRIPT = r"""\set i :i + 1
\set n :client_id * :per_client + :i
SELECT r.refusal_code FROM bench_calls c, LATERAL redemption_redeem(
    c.citizen, c.clerk, c.clerk_session, c.shop, c.redemption, c.digest, 'receipt', 'voucher',
    NULL, NULL, NULL, NULL, c.voucher, NULL, c.transfer, c.trail, c.message, 'bench') r
WHERE c.n = :n;
"""


def measure_redeem_in_database(
    ready: Ready, stock: Iterator[Voucher], port: int
) -> list[dict[str, Any]]:
    """Redeems per second by pgbench, and over HTTP with as many connections."""
    count = int(len(ready.vouchers) * SHARE) // CLIENTS * CLIENTS
    _prepare(ready, list(itertools.islice(stock, count)))
    in_database = _pgbench(ready, count // CLIENTS)
    vouchers = itertools.islice(stock, count)
    bodies = [
        json.dumps({
            "redemption_id": str(new_id()), "shop_id": ready.shop_id, "code": voucher.code,
        }).encode()
        for voucher in vouchers
    ]
    over_http = run_load(
        port=port,
        requests=iter([
            request_bytes(
                method="POST", path="/api/v1/redemptions", body=body,
                token=ready.clerk_tokens[n % len(ready.clerk_tokens)],
            )
            for n, body in enumerate(bodies)
        ]),
        connections=CLIENTS,
        seconds=60.0,
    )
    return [{
        "name": "redeem over HTTP ÷ pgbench of the same SQL, 8 clients",
        "value": round(in_database), "unit": "redeems/s in the database",
        "ratio": round(over_http.per_second / in_database, 3), "limit": GOAL,
    }]


def _prepare(ready: Ready, vouchers: list[Voucher]) -> None:
    with psycopg.connect(ready.stack.database.admin_url, autocommit=True) as admin:
        admin.execute(
            "CREATE TABLE bench_calls (n int PRIMARY KEY, citizen uuid, clerk uuid,"
            " clerk_session uuid, shop uuid, redemption uuid, digest bytea, voucher uuid,"
            " transfer uuid, trail uuid, message uuid)"
        )
        with admin.cursor() as cursor, cursor.copy("COPY bench_calls FROM STDIN") as copy:
            for n, voucher in enumerate(vouchers, start=1):
                copy.write_row((
                    n, voucher.citizen_id, ready.clerk_id, ready.clerk_session_id, ready.shop_id,
                    new_id(), b"bench", voucher.voucher_id, new_id(), new_id(), new_id(),
                ))
        admin.execute("GRANT SELECT ON bench_calls TO card_web")
        admin.execute("ANALYZE bench_calls")


def _pgbench(ready: Ready, per_client: int) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        done = subprocess.run(
            [
                postgres_binary("pgbench"), "--no-vacuum",
                "--client", str(CLIENTS), "--transactions", str(per_client),
                "--protocol", "prepared", "--define", "i=0", "--define",
                f"per_client={per_client}", "--file", script.name,
                ready.stack.database.url("card_web"),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found.group(1))
