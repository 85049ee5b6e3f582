"""`flask --app wsgi demo results`: a folder of deliveries into a fresh database, and what came.

The folder is one of the data interface: deliveries.csv and the files it lists.  Every figure comes
from the product's own operations; delivery dates are data, and the clock decides nothing.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import click
import psycopg
from flask import Flask
from psycopg import sql

from app.config import Settings
from app.factory import create_app
from app.kernel.database import db
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.records.queries import current_day
from demo.answers import collect_results
from demo.load import (
    BadFolderError,
    BatchesOf,
    ListedDelivery,
    LoadedDelivery,
    as_delivered,
    check_folder,
    create_sources,
    expected_results,
    list_deliveries,
    load_deliveries,
    prepare_programme,
)
from demo.reshape import json_batches, write_as_excel
from demo.servers import Database, Postgres, free_port
from demo.supervise import migrate, postgres_directory, process_environment

# The days of the acceptance set; a folder with an expected.json names its own.
DAYS = (date(2026, 6, 30), date(2026, 11, 1), date(2027, 6, 30))
Folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("results")
@click.option("--data", "folder", type=Folder, required=True, help="The folder of deliveries.")
@click.option(
    "--out", type=click.Path(dir_okay=False, writable=True, path_type=Path), required=True,
    help="Where to write the results, in the shape of expected.json.",
)
@click.option(
    "--as-of", "days", type=click.DateTime(["%Y-%m-%d"]), multiple=True,
    help="A day to compute results for; may be repeated.  Default: the days of the folder's "
    "expected.json, or those of the acceptance set.",
)
@click.option(
    "--as", "form", type=click.Choice(["delivered", "excel", "rest"]), default="delivered",
    show_default=True,
    help="The form in which files are taken in: as they are, CSV as Excel, or all but the register "
    "as batches of rows in JSON; the results are the same.",
)
def write_results(folder: Path, out: Path, days: Sequence[datetime], form: str) -> None:
    """Load a folder of deliveries into a fresh database and write every report and score."""
    began = time.monotonic()
    try:
        listed = list_deliveries(folder)
        check_folder(folder, listed)
        as_of = sorted({day.date() for day in days}) or _days_of(folder)
        with fresh_application() as (app, _), app.app_context():
            if form == "excel":
                found = _results_from_excel(app, folder, listed, as_of)
            else:
                found = compute_results(
                    app, folder=folder, listed=listed, as_of=as_of,
                    batches_of=json_batches if form == "rest" else as_delivered,
                )
    except (BadFolderError, DomainError) as error:
        raise click.ClickException(str(error)) from error
    out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    click.echo(f"{out}: {len(found['members'])} members, {time.monotonic() - began:.1f} s")
    _compare(folder, found)


def compute_results(
    app: Flask,
    *,
    folder: Path,
    listed: Sequence[ListedDelivery],
    as_of: Sequence[date],
    batches_of: BatchesOf = as_delivered,
) -> dict[str, Any]:
    """Take the deliveries of a folder into the empty database of `app`; collect what came out."""
    keys = cast("KeyProvider", app.extensions["card_keys"])
    prepare_programme(since=min(current_day(), *as_of, *(one.delivered_on for one in listed)))
    sources = create_sources(keys=keys, folder=folder)
    loaded = []
    for one in load_deliveries(
        keys=keys, staff_id=new_id(), sources=sources, folder=folder, batches_of=batches_of
    ):
        loaded.append(one)
        _tell(one)
    return collect_results(keys=keys, folder=folder, loaded=loaded, as_of=as_of)


def _results_from_excel(
    app: Flask, folder: Path, listed: Sequence[ListedDelivery], as_of: Sequence[date]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="card-excel-") as name:
        target = Path(name)
        write_as_excel(folder=folder, listed=listed, target=target)
        return compute_results(app, folder=target, listed=list_deliveries(target), as_of=as_of)


@contextmanager
def fresh_application() -> Iterator[tuple[Flask, Database]]:
    """The application on a database of its own, which is gone at the end.

    It lies on the server of `DATABASE_URL` or on an embedded one.
    """
    with tempfile.TemporaryDirectory(prefix="card-results-") as name:
        directory = Path(name)
        directory.chmod(0o711)  # started by root, PostgreSQL runs as another user
        with _fresh_database(directory) as database:
            environment = process_environment(directory, free_port())
            environment["DATABASE_URL"] = database.url("card_web")
            migrate(environment | {"DATABASE_MIGRATE_URL": database.url("card_migrate")})
            app = create_app(Settings.from_environ(environment))
            yield app, database
            with app.app_context():
                db.engine.dispose()


@contextmanager
def _fresh_database(directory: Path) -> Iterator[Database]:
    admin_url = os.environ.get("DATABASE_URL")
    postgres = (
        Postgres(admin_url=admin_url)
        if admin_url
        else Postgres(directory=postgres_directory(directory))
    )
    database = postgres.create_database(f"card_results_{secrets.token_hex(4)}")
    try:
        yield database
    finally:
        with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name))
            )
        postgres.stop()


def _days_of(folder: Path) -> Sequence[date]:
    if not (folder / "expected.json").exists():
        return DAYS
    try:
        return [date.fromisoformat(day) for day in expected_results(folder)["as_of"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadFolderError(f"expected.json does not say its days: {error!r}") from error


def _tell(one: LoadedDelivery) -> None:
    report = one.report
    what = report.file_reason or (
        f"{report.row_count} rows, {report.accepted_count} accepted, {report.refused_count} refused"
    )
    click.echo(f"{one.listed.delivered_on} {one.listed.file}: {what}", err=True)


def _compare(folder: Path, found: dict[str, Any]) -> None:
    if (folder / "expected.json").exists():
        equal = expected_results(folder) == found
        click.echo(f"expected.json: {'equal' if equal else 'DIFFERENT'}")
