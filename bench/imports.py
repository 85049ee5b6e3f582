"""A department's file beside a bare COPY of what it leaves: rows per second, in one run.

The file is judged, sealed, kept and posted as in a city; then the very rows that it left in the
table of records are copied out, the table is emptied, and they are copied in again.
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
RECORD_TYPE = "volunteer_hours"
HEADER = ("记录编号", "版本号", "记录状态", "身份证号", "服务日期", "服务时长", "活动名称")


def measure_imports() -> list[dict[str, Any]]:
    """The figure of a file of ROWS rows about made-up members."""
    with fresh_application() as (app, database), app.app_context():
        imported = _import(app, database)
        copied = _copy_again(database)
    return [{
        "name": f"import of {ROWS} volunteer rows ÷ bare COPY of the same rows, same table",
        "value": round(ROWS / imported), "unit": "rows/s imported",
        "ratio": round(copied / imported, 4), "limit": GOAL,
    }]


def _import(app: Flask, database: Database) -> float:
    """The seconds that the product takes for the file."""
    keys = cast("KeyProvider", app.extensions["card_keys"])
    prepare_programme()
    populate(
        admin_url=database.admin_url, keys=keys, members=_members(), records_per_member=0,
        seed=SEED,
    )
    source_id = new_id()
    register_source(keys=keys, source_id=source_id, unit="志愿者协会", record_types=[RECORD_TYPE])
    request = DeliveryRequest(
        delivery_id=new_id(), record_type=RECORD_TYPE, delivered_on=DELIVERED_ON,
        encoding=Encoding.UTF_8, file_name="hours.csv", source_id=source_id,
    )
    with tempfile.TemporaryFile() as file:
        _write_rows(file)
        began = time.perf_counter()
        report = take_delivery(keys=keys, request=request, file=file)
        seconds = time.perf_counter() - began
    assert report.accepted_count == ROWS, report
    return seconds


def _members() -> int:
    return max(1, ROWS // ROWS_PER_MEMBER)


def _write_rows(file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for at in range(ROWS):
        day = DELIVERED_ON - timedelta(days=at * 7 % 360)
        number = id_number(seed=SEED, number=at * 31 % _members())
        hours = f"{at % 80 / 10 + 0.1:.1f}"
        writer.writerow((f"B-{at}", 1, "有效", number, day, hours, "河道清洁"))
    text.detach()
    file.seek(0)


def _copy_again(database: Database) -> float:
    """The seconds that COPY takes for the rows in the table of records."""
    with psycopg.connect(database.admin_url) as connection, tempfile.TemporaryFile() as file:
        cursor = connection.cursor()
        with cursor.copy("COPY records TO STDOUT (FORMAT binary)") as out:
            for part in out:
                file.write(part)
        connection.execute("TRUNCATE records")
        connection.commit()
        file.seek(0)
        began = time.perf_counter()
        with cursor.copy("COPY records FROM STDIN (FORMAT binary)") as copy:
            while chunk := file.read(1 << 18):
                copy.write(chunk)
        connection.commit()
        return time.perf_counter() - began
