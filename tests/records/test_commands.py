"""Importing files on the command line: the same line, the same report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.records import operations
from app.records.queries import current_day
from app.scoring.queries import scheme_in_force
from demo.load import publish_catalogue
from tests.members.people import made_up_member
from tests.records.programme import HOURS, Programme, build_programme, csv_file


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


def run(app: Flask, path: Path, *options: object, encoding: str | None = "utf-8") -> Any:
    arguments = ["records", "import", str(path), "--on", "2026-06-12"]
    arguments += ["--encoding", encoding] if encoding else []
    return app.test_cli_runner().invoke(args=[*arguments, *map(str, options)])


def test_a_file_is_taken_with_what_stands_before_it(
    app: Flask, programme: Programme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hours.csv"
    path.write_bytes(csv_file(HOURS, programme.hours("ZY-1", "2"), programme.hours("ZY-2", "x")))
    delivery_id, options = new_id(), ("--type", HOURS, "--source", programme.source_id)
    with monkeypatch.context() as patch:  # nobody works: it waits
        patch.setattr(operations, "work_off", lambda **_: iter(()))
        programme.deliver(HOURS, programme.hours("ZY-1", "2"))
    done = run(app, path, *options, "--delivery-id", delivery_id)
    assert done.exit_code == 0, done.output
    told = f"{delivery_id}\tprocessed\t\tutf-8, rows 2, accepted 0, refused 1, no members 0"
    assert told in done.output
    assert told in run(app, path, *options, "--delivery-id", delivery_id).output
    other = run(app, path, "--type", HOURS, "--source", new_id())
    assert (other.exit_code, "record_type_not_allowed" in other.output) == (1, True)


@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_encoding_may_be_left_out(
    app: Flask, programme: Programme, tmp_path: Path, written: str
) -> None:
    path = tmp_path / "hours.csv"
    path.write_bytes(csv_file(HOURS, programme.hours("ZY-1", "2")).decode().encode(written))
    done = run(app, path, "--type", HOURS, "--source", programme.source_id, encoding=None)
    assert f"processed\t\t{written}, rows 1, accepted 1" in done.output


def test_the_register_is_imported_for_an_operator(
    app: Flask, programme: Programme, tmp_path: Path
) -> None:
    path, person = tmp_path / "members.csv", made_up_member()
    line = [person.name, person.id_number, str(person.phone), "2026-06-01"]
    path.write_bytes(csv_file("members", line))
    done = run(app, path, "--type", "members", "--staff", new_id())
    assert (done.exit_code, "accepted 1" in done.output) == (0, True), done.output
    for wrong in ((), ("--staff", new_id(), "--source", programme.source_id)):
        assert run(app, path, "--type", "members", *wrong).exit_code == 2


def test_the_register_comes_before_the_first_scheme(app: Flask, tmp_path: Path) -> None:
    publish_catalogue()
    assert scheme_in_force(on=current_day()) is None
    path, person = tmp_path / "members.csv", made_up_member()
    path.write_bytes(csv_file(
        "members", [person.name, person.id_number, str(person.phone), "2026-06-01"]
    ))
    done = run(app, path, "--type", "members", "--staff", new_id())
    assert (done.exit_code, "accepted 1" in done.output) == (0, True), done.output


def test_a_file_that_is_refused_ends_with_an_error(
    app: Flask, programme: Programme, tmp_path: Path
) -> None:
    path = tmp_path / "hours.csv"
    path.write_bytes(b"\xff")
    done = run(app, path, "--type", HOURS, "--source", programme.source_id)
    assert (done.exit_code, "refused\tbad_encoding" in done.output) == (1, True), done.output
