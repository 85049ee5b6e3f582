"""The folder once more, with every file as an Excel file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.records.reading import Encoding
from demo.answers import collect_results, report_of
from demo.load import (
    FOLDER,
    create_sources,
    expected_results,
    list_deliveries,
    load_deliveries,
    prepare_programme,
)
from demo.reshape import write_as_excel
from tests.conftest import Sized
from tests.members.api import keys_of

NO_TEXT = "civility_wrong_encoding.csv"
LEFT_TO_FULL = {  # long files, and what their reports depend on
    "volunteer_hours.csv", "volunteer_hours_2.csv", "provincial_public_credit.csv",
    "provincial_public_credit_2.csv", "civility.csv", "points_orders.csv",
}  # fmt: skip


@pytest.mark.timeout(3600)
def test_the_folder_as_excel_gives_every_expected_figure(
    committing_app: Flask, tmp_path: Path, sized: Sized
) -> None:
    keys, expected = keys_of(committing_app), expected_results()
    everything = bool(sized(ci=0, full=1))
    listed = [one for one in list_deliveries() if everything or one.file not in LEFT_TO_FULL]
    write_as_excel(folder=FOLDER, listed=listed, target=tmp_path)
    written = list_deliveries(tmp_path)
    assert [one.file for one in written if one.encoding is not Encoding.XLSX] == [NO_TEXT]
    with committing_app.app_context():
        prepare_programme()
        sources = create_sources(keys=keys, folder=tmp_path)
        loaded = list(load_deliveries(
            keys=keys, staff_id=new_id(), sources=sources, folder=tmp_path
        ))
        reports = {one.listed.seq: report_of(one) for one in loaded}
        for wanted in expected["deliveries"]:
            assert reports.get(wanted["seq"], wanted) == wanted
        assert len(reports) == len(listed) > 10
        if everything:
            assert expected == collect_results(
                keys=keys, folder=tmp_path, loaded=loaded,
                as_of=[date.fromisoformat(day) for day in expected["as_of"]],
            )
