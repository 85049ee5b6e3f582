"""Random folders: the product and a second reading of the data interface agree on everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from demo import reshape
from demo.load import BatchesOf, as_delivered, check_folder, list_deliveries
from demo.reshape import json_batches, write_as_excel
from demo.results import compute_results
from demo.servers import Database
from tests.conftest import Sized, truncate_all
from tests.records.made_up_folders import AS_OF, Dice, make_folder, write_folder
from tests.records.second_reading import File, judge_folder


@pytest.mark.timeout(3600)
def test_random_folders(
    committing_app: Flask, test_database: Database, tmp_path: Path, sized: Sized,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reshape, "JSON_ROWS_MAX", 25)  # the files are small
    for seed in range(118, 118 + sized(ci=1, full=100)):
        dice = Dice(seed)
        files = make_folder(dice)
        folder, excel = tmp_path / f"{seed}", tmp_path / f"{seed}-excel"
        folder.mkdir()
        write_folder(dice, folder, files)
        listed = list_deliveries(folder)
        check_folder(folder, listed)
        excel.mkdir()
        write_as_excel(folder=folder, listed=listed, target=excel)
        for form, batches_of in (
            (folder, as_delivered), (excel, as_delivered), (folder, json_batches),
        ):
            truncate_all(test_database)
            with committing_app.app_context():
                agree_on(committing_app, form, files, batches_of)


def agree_on(app: Flask, folder: Path, files: list[File], batches_of: BatchesOf) -> None:
    expected = judge_folder(files, AS_OF)
    found = compute_results(
        app, folder=folder, listed=list_deliveries(folder), as_of=AS_OF, batches_of=batches_of
    )
    for report, wanted in zip(found["deliveries"], expected["deliveries"], strict=True):
        assert row_by_row(report) == row_by_row(wanted), folder / wanted["file"]
    assert found["members"] == expected["members"], folder


def row_by_row(report: dict[str, Any]) -> dict[str, Any]:
    """A report that compares readably."""
    reasons = {row: reason for reason, rows in report["refused"].items() for row in rows}
    return {**report, "refused": dict(sorted(reasons.items()))}
