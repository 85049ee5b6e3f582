"""S30: no spreadsheet program calculates anything in an export, and no export goes another way."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import openpyxl
import pytest

from app.kernel.tables import BYTE_ORDER_MARK, undefused
from tests.security.exports import EXPORTS, HOSTILE, scan, scanned

OFFICE = [found for found in [shutil.which("soffice")] if found]  # run where it is installed
CONVERTED_WITHIN_SECONDS = 120
# UTF-8, commas, quotes; its 13th field: formulas are evaluated, as when a person says so.
AS_A_PERSON_OPENS = "CSV:44,34,76,1,,0,false,true,false,false,false,-1,true"
FORMULA = re.compile(r'table:formula="([^"]*)"')


def test_every_export_is_written_by_the_writers_that_are_tested_here() -> None:
    found = {
        f"{module} {name}" for module, calls in scan() for name in calls.callers
    }
    assert found == set(EXPORTS)
    assert {module: calls.around for module, calls in scan() if calls.around} == {}


@pytest.mark.parametrize("source", [
    "import csv\ncsv.writer(f)", "from csv import DictWriter", "import xlsxwriter",
    "import openpyxl\nopenpyxl.Workbook()", "from openpyxl import Workbook",
    "from app.kernel import tables\ntables.write_csv([])",
    "from app.kernel.tables import write_csv as plain",
])
def test_the_scan_sees_what_goes_around_the_writers(source: str) -> None:
    assert scanned(source).around


@pytest.mark.parametrize("name", EXPORTS)
def test_s30_no_cell_of_an_export_is_a_formula(name: str) -> None:
    form, make = EXPORTS[name]
    content = make()
    if form == "csv":
        text = content.decode()
        assert text.startswith(BYTE_ORDER_MARK)
        cells = [cell for row in csv.reader(io.StringIO(text[1:])) for cell in row]
        assert [cell for cell in cells if not cell.isdigit() and _calculated(cell)] == []
        assert set(HOSTILE) & {undefused(cell) for cell in cells}
    else:
        book = openpyxl.load_workbook(io.BytesIO(content))
        kinds = {cell.data_type for row in book.worksheets[0].rows for cell in row}
        assert kinds <= {"s", "n"}
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            sheets = [parts.read(one) for one in parts.namelist() if "worksheets/sheet" in one]
        assert not any(b"<f" in sheet for sheet in sheets)


@pytest.mark.parametrize("office", OFFICE)
def test_s30_libreoffice_evaluates_nothing(office: str, tmp_path: Path) -> None:
    """The same program evaluates what is not escaped, which shows that it would."""
    files = [tmp_path / f"{at}.{form}" for at, (form, _) in enumerate(EXPORTS.values())]
    for path, (_, make) in zip(files, EXPORTS.values(), strict=True):
        path.write_bytes(make())
    control = tmp_path / "control.csv"
    control.write_text("=1+1\n=SUM(1;1)\n", encoding="utf-8")
    for kind in ("csv", "xlsx"):
        _convert(office, tmp_path, [one for one in [*files, control] if one.suffix == f".{kind}"])
    assert FORMULA.findall(_shown(control)) == ["of:=1+1", "of:=SUM(1;1)"]
    for name, path in zip(EXPORTS, files, strict=True):
        shown = _shown(path)
        assert "1+1" in shown, name
        assert FORMULA.findall(shown) == [], name
        assert "xlink:href" not in shown, name


def _calculated(cell: str) -> bool:
    bare = cell.strip().strip("\ufeff\u200b")
    return bare[:1] in "=+-@＝＋－＠" or cell[:1] in "\t\r\n" if bare else False


def _convert(office: str, folder: Path, files: list[Path]) -> None:
    reading = [f"--infilter={AS_A_PERSON_OPENS}"] if files[0].suffix == ".csv" else []
    subprocess.run(
        [
            office, "--headless", f"-env:UserInstallation=file://{folder}/profile", *reading,
            "--convert-to", "fods", "--outdir", str(folder), *map(str, files),
        ],
        check=True, capture_output=True, timeout=CONVERTED_WITHIN_SECONDS,
    )  # fmt: skip


def _shown(path: Path) -> str:
    return path.with_suffix(".fods").read_text(encoding="utf-8")
