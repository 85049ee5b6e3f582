"""Files that are not what they say (S26), that unpack without end (S27), that hide XML (S28)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sqlite3
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading
from app.records.reading import Encoding, FileReason, FileTooLarge
from tests.conftest import ROOT
from tests.records.programme import HOURS, build_programme, csv_file, header
from tests.records.test_reading import GOOD, SHEET, reason_of, rows_of, with_member, workbook

NAMESPACE = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
NOISE = bytes(range(256)) * 8
MEGABYTE = 1 << 20
GROWTH_MAX_BYTES = 200 * MEGABYTE
MEASURE = """
import io, resource, sys
from app.records.catalogue import load_catalogue
from app.records.excel import read_first_sheet
from app.records.reading import Encoding, FileRefusedError, FileTooLarge, open_table
content = io.BytesIO(sys.stdin.buffer.read())
catalogue = load_catalogue()
kind = catalogue.record_types["volunteer_hours"]
own, before = resource.RUSAGE_SELF, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_table(content, encoding=Encoding.XLSX, catalogue=catalogue, record_type=kind)
    ending = "read"
except (FileRefusedError, FileTooLarge) as error:
    ending = type(error).__name__
most = max(resource.getrusage(who).ru_maxrss for who in (own, resource.RUSAGE_CHILDREN))
print(ending, (most - before) * 1024)
"""


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as target:
        for name, data in members:
            target.writestr(name, data)
    return made.getvalue()


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as target:
        member = tarfile.TarInfo("../../etc/passwd")
        member.size = len(NOISE)
        target.addfile(member, io.BytesIO(NOISE))
    return made.getvalue()


def database(directory: Path) -> bytes:
    connection = sqlite3.connect(directory / "a.sqlite")
    connection.execute("CREATE TABLE people (number text)")
    connection.close()
    return (directory / "a.sqlite").read_bytes()


WRONG: dict[str, Callable[[Path], bytes]] = {
    "png": lambda _: b"\x89PNG\r\n\x1a\n" + NOISE,
    "jpeg": lambda _: b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + NOISE,
    "gif": lambda _: b"GIF89a" + NOISE,
    "pdf": lambda _: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + NOISE,
    "elf": lambda _: Path(sys.executable).resolve().read_bytes()[:100_000],
    "exe": lambda _: b"MZ\x90\x00" + NOISE,
    "class": lambda _: b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + NOISE,
    "gzip": lambda _: gzip.compress(csv_file(HOURS, GOOD)),
    "bzip2": lambda _: bz2.compress(csv_file(HOURS, GOOD)),
    "xz": lambda _: lzma.compress(csv_file(HOURS, GOOD)),
    "7z": lambda _: b"7z\xbc\xaf\x27\x1c\x00\x04" + NOISE,
    "rar": lambda _: b"Rar!\x1a\x07\x01\x00" + NOISE,
    "tar": lambda _: tar(),
    "sqlite": database,
    "old excel": lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + NOISE,
    "docx": lambda _: archive(
        ("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<document/>")
    ),
    "opendocument": lambda _: archive(
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", b"<a/>")
    ),
    "jar": lambda _: archive(("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n")),
    "empty zip": lambda _: archive(),
    "zip of a table": lambda _: archive(("hours.csv", csv_file(HOURS, GOOD))),
    "zip of excel": lambda _: archive(("hours.xlsx", workbook(header(HOURS), GOOD))),
    "mp3": lambda _: b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x64" + NOISE,
    "mp4": lambda _: b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00" + NOISE,
    "utf-16": lambda _: csv_file(HOURS, GOOD).decode().encode("utf-16"),
    "html": lambda _: "<!doctype html><table><tr><td>身份证号</td></tr></table>".encode(),
    "xml": lambda _: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "json": lambda _: '[{"身份证号": "1"}]'.encode(),
    "script": lambda _: b"#!/bin/sh\nrm -rf /\n",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("stated", [Encoding.UTF_8, Encoding.GB18030, Encoding.XLSX])
def test_a_file_of_another_type_is_refused_whole(
    kind: str, stated: Encoding, tmp_path: Path
) -> None:
    reason = reason_of(WRONG[kind](tmp_path), stated)
    # What happens to be text has no header of a table.
    known = {FileReason.BAD_ENCODING} if stated is Encoding.XLSX else {
        FileReason.BAD_ENCODING, FileReason.BAD_HEADER,
    }  # fmt: skip
    assert reason in known


def test_an_excel_file_is_no_text_and_a_text_no_excel_file() -> None:
    assert reason_of(workbook(header(HOURS), GOOD)) is FileReason.BAD_ENCODING
    assert reason_of(csv_file(HOURS, GOOD), Encoding.XLSX) is FileReason.BAD_ENCODING


def test_nothing_is_kept_of_a_wrong_file(app: Flask, tmp_path: Path) -> None:
    programme = build_programme(app)
    for kind in ("png", "zip of excel", "html"):
        report = programme.deliver(
            HOURS, content=WRONG[kind](tmp_path), encoding=Encoding.XLSX,
            file_name="../../../etc/passwd",
        )
        assert (report.status, report.file_reason) == ("refused", "bad_encoding")
        assert report.row_count == 0
    with reading() as session:
        names = session.scalars(text("SELECT DISTINCT file_name FROM deliveries")).all()
        left = session.scalar(text("SELECT count(*) FROM delivery_parts"))
    assert (names, left) == (["passwd"], 0)


# Archives whose headers lie.


def lying(content: bytes, *, unpacked_bytes: int) -> bytes:
    """The archive with another size declared for its sheet, in both of its headers."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        true = struct.pack("<I", source.getinfo(SHEET).file_size)
    return content.replace(true, struct.pack("<I", unpacked_bytes))


def padded(members: dict[str, bytes], pad: int = MEGABYTE) -> bytes:
    """A workbook with other members, and noise beside them so that its ratio is small."""
    content = workbook(header(HOURS))
    for name, data in members.items():
        content = with_member(content, name, data)
    made = io.BytesIO(content)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_STORED) as target:
        target.writestr("xl/media/noise.bin", os.urandom(pad))
    return made.getvalue()


@pytest.mark.parametrize("declared", [10, 40_000_000, 4_000_000_000])
def test_a_declared_size_that_lies(declared: int) -> None:
    """Too little: the check sum is wrong.  Too much: refused for what it says."""
    content = lying(
        with_member(workbook(header(HOURS)), SHEET, b" " * 200_000), unpacked_bytes=declared
    )
    if declared < MEGABYTE:
        assert reason_of(content, Encoding.XLSX) is FileReason.BAD_ENCODING
    else:
        with pytest.raises(FileTooLarge):
            rows_of(content, Encoding.XLSX)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_excel_does_not_use_are_not_unpacked(method: int) -> None:
    """Python unpacks them without any bound, whatever size is declared."""
    content = lying(
        archive((SHEET, b" " * 50_000_000), method=method), unpacked_bytes=1_000
    )
    assert len(content) < 20_000
    assert reason_of(content, Encoding.XLSX) is FileReason.BAD_ENCODING


def test_an_archive_in_the_archive_is_never_opened() -> None:
    inner = archive(("a", b" " * 20_000_000))
    nested = archive(*((f"{at}.zip", inner) for at in range(5)), method=zipfile.ZIP_STORED)
    assert rows_of(with_member(workbook(header(HOURS), GOOD), "docProps/core.xml", b"<a/>"),
                   Encoding.XLSX) == [(2, GOOD)]
    assert reason_of(with_member(workbook(header(HOURS)), SHEET, nested), Encoding.XLSX) is (
        FileReason.BAD_ENCODING
    )


def test_names_that_climb_are_never_written(tmp_path: Path) -> None:
    content = io.BytesIO(workbook(header(HOURS), GOOD))
    with zipfile.ZipFile(content, "a") as target:
        target.writestr("../../../../../../tmp/climbed", b"x")
        target.writestr(str(tmp_path / "absolute"), b"x")
    assert rows_of(content.getvalue(), Encoding.XLSX) == [(2, GOOD)]
    assert not list(tmp_path.iterdir())
    assert not Path("/tmp/climbed").exists()  # noqa: S108 -- where it would climb to


def sheet(inside: bytes) -> bytes:
    return b"<worksheet " + NAMESPACE + b"><sheetData>" + inside + b"</sheetData></worksheet>"


BOMBS: dict[str, Callable[[], bytes]] = {
    "spaces": lambda: with_member(workbook(header(HOURS)), SHEET, b" " * 95_000_000),
    "two methods": lambda: lying(
        archive((SHEET, b" " * 400_000_000), method=zipfile.ZIP_BZIP2), unpacked_bytes=1_000
    ),
    "one row": lambda: padded({SHEET: sheet(b"<row>" + b"<c/>" * 4_000_000 + b"</row>")}),
    "one cell": lambda: padded({SHEET: sheet(
        b'<row><c t="inlineStr"><is><t>' + b"x" * 40_000_000 + b"</t></is></c></row>"
    )}),
    "attributes": lambda: padded({SHEET: sheet(b"<row " + b" ".join(
        b"a%d=''" % at for at in range(100_000)
    ) + b"/>")}),
    "entities": lambda: padded({SHEET: b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 1000 + b'">]>' + sheet(
        b"<row><c><v>" + b"&b;" * 100_000 + b"</v></c></row>"
    )}),
    "one text a million times": lambda: padded({SHEET: sheet(b"".join(
        b'<row><c t="str"><v>' + b"x" * 30_000 + b"</v></c></row>" for _ in range(2_000)
    ))}),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_bomb_costs_much_memory(bomb: str) -> None:
    """The most that a process of its own and the reader that it starts hold in memory."""
    content = BOMBS[bomb]()
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=ROOT, input=content, capture_output=True, check=True
    ).stdout.split()
    assert measured[0] in {b"FileTooLarge", b"FileRefusedError"}
    assert int(measured[1]) < GROWTH_MAX_BYTES
