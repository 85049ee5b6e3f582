"""Departments' files beside a bare COPY of what they leave: rows per second, in one run.

Each file is judged, sealed, kept and posted as in a city; then the very rows that it left are
copied out, the tables are emptied, and they are copied in again: those in the table of records, and
those in all tables, because points and scores are rows too.  One kind of file grants points, one
does not.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
import time
from datetime import timedelta
from typing import Any, BinaryIO, cast

import psycopg
from flask import Flask
from psycopg import sql

from app.kernel.database import db
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.records.operations import DeliveryRequest, register_source
from app.records.reading import Encoding
from app.scoring.operations import take_delivery
from demo.load import prepare_programme
from demo.population import DELIVERED_ON, id_number, populate
from demo.results import fresh_application
from demo.servers import Database

ROWS = int(os.environ.get("CARD_BENCH_IMPORT_ROWS", "20000"))
ROWS_PER_MEMBER = 10
SEED = 7
GOAL = 0.40
MEMORY_GROWTH_MAX = 1.1  # a file of four times the rows; a worker may hold 400 MB
HEADERS = {
    "volunteer_hours":
        ("记录编号", "版本号", "记录状态", "身份证号", "服务日期", "服务时长", "活动名称"),
    "public_credit":
        ("记录编号", "版本号", "记录状态", "身份证号", "评价日期", "基本情况", "社会责任",
         "遵纪守法", "管制能力", "金融财税"),
}  # fmt: skip
TABLES = {
    "volunteer_hours": (
        "records", "record_holders", "record_grants", "ledger_accounts", "ledger_transfers",
        "ledger_entries", "ledger_lots", "scores",
    ),
    "public_credit": ("records", "record_holders", "scores"),
}  # fmt: skip
TITLES = {"volunteer_hours": "with points", "public_credit": "that grant no points"}


def measure_imports() -> list[dict[str, Any]]:
    """The figures of files of ROWS rows about made-up members."""
    figures = []
    for record_type in HEADERS:
        with fresh_application() as (app, database), app.app_context():
            _prepare(app, database)
            imported = _import(app, record_type, ROWS)
            alone, all_tables = (
                sum(_copy_again(database, table) for table in tables)
                for tables in (("records",), TABLES[record_type])
            )
        name = f"import of {ROWS} rows {TITLES[record_type]} ÷ bare COPY of the same"
        rate = {"value": round(ROWS / imported), "unit": "rows/s imported"}
        figures += [
            {"name": f"{name} records", **rate, "ratio": round(alone / imported, 4),
             "limit": GOAL},
            {"name": f"{name} records and all that follows", **rate,
             "ratio": round(all_tables / imported, 4), "limit": None},
        ]  # fmt: skip
    return [*figures, _measure_memory()]


def _measure_memory() -> dict[str, Any]:
    """What the memory of a worker grows by with the file: it should not."""
    with fresh_application() as (app, database), app.app_context():
        _prepare(app, database)
        small, large = (_peak_bytes(app, rows) for rows in (ROWS, 4 * ROWS))
    return {
        "name": f"memory of a worker that takes {4 * ROWS} rows ÷ of one that takes {ROWS}",
        "value": large // 1_000_000, "unit": "MB", "ratio": round(large / small, 3),
        "limit": MEMORY_GROWTH_MAX,
    }


def _peak_bytes(app: Flask, rows: int) -> int:
    """The most that a process of its own holds in memory while it takes a file."""
    db.session.remove()
    child = os.fork()
    if child == 0:
        with app.app_context():
            db.engine.dispose(close=False)  # its connections are the parent's
            _import(app, "volunteer_hours", rows)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_maxrss * 1024


def _prepare(app: Flask, database: Database) -> None:
    prepare_programme()
    populate(
        admin_url=database.admin_url, keys=_keys(app), members=_members(), records_per_member=0,
        seed=SEED,
    )


def _keys(app: Flask) -> KeyProvider:
    return cast("KeyProvider", app.extensions["card_keys"])


def _import(app: Flask, record_type: str, rows: int) -> float:
    """The seconds that the product takes for the file."""
    source_id = new_id()
    register_source(
        keys=_keys(app), source_id=source_id, unit=f"报送单位 {source_id}",
        record_types=[record_type],
    )
    request = DeliveryRequest(
        delivery_id=new_id(), record_type=record_type, delivered_on=DELIVERED_ON,
        encoding=Encoding.UTF_8, file_name="file.csv", source_id=source_id, may_be_ahead=True,
    )
    with tempfile.TemporaryFile() as file:
        _write_rows(file, record_type, rows)
        began = time.perf_counter()
        report = take_delivery(keys=_keys(app), request=request, file=file)
        seconds = time.perf_counter() - began
    assert report.accepted_count == rows, report
    return seconds


def _members() -> int:
    return max(1, ROWS // ROWS_PER_MEMBER)


def _write_rows(file: BinaryIO, record_type: str, rows: int) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(HEADERS[record_type])
    for at in range(rows):
        day = DELIVERED_ON - timedelta(days=at * 7 % 360)
        number = id_number(seed=SEED, number=at * 31 % _members())
        said = (
            (f"{at % 80 / 10 + 0.1:.1f}", "河道清洁")
            if record_type == "volunteer_hours"
            else [(at + part) % 200 for part in range(5)]
        )
        writer.writerow((f"B{rows}-{at}", 1, "有效", number, day, *said))
    text.detach()
    file.seek(0)


def _copy_again(database: Database, table: str) -> float:
    """The seconds that COPY takes for the rows in a table."""
    name = sql.Identifier(table)
    with psycopg.connect(database.admin_url) as connection, tempfile.TemporaryFile() as file:
        cursor = connection.cursor()
        with cursor.copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(name)) as out:
            for part in out:
                file.write(part)
        connection.execute(sql.SQL("TRUNCATE {}").format(name))
        connection.commit()
        file.seek(0)
        began = time.perf_counter()
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(name)) as copy:
            while chunk := file.read(1 << 18):
                copy.write(chunk)
        connection.commit()
        return time.perf_counter() - began
