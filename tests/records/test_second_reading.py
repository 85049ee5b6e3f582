"""Random folders: the product and a second reading of the data interface agree on everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from demo.load import check_folder, list_deliveries
from demo.results import compute_results
from demo.servers import Database
from tests.conftest import Sized, truncate_all
from tests.records.made_up_folders import AS_OF, Dice, make_folder, write_folder
from tests.records.second_reading import judge_folder


@pytest.mark.timeout(3600)
def test_random_folders(
    committing_app: Flask, test_database: Database, tmp_path: Path, sized: Sized
) -> None:
    for seed in range(118, 118 + sized(ci=2, full=100)):
        truncate_all(test_database)
        folder = tmp_path / str(seed)
        folder.mkdir()
        with committing_app.app_context():
            agree_on(committing_app, folder, seed)


def agree_on(app: Flask, folder: Path, seed: int) -> None:
    dice = Dice(seed)
    files = make_folder(dice)
    write_folder(dice, folder, files)
    listed = list_deliveries(folder)
    check_folder(folder, listed)
    expected = judge_folder(files, AS_OF)
    found = compute_results(app, folder=folder, listed=listed, as_of=AS_OF)
    for report, wanted in zip(found["deliveries"], expected["deliveries"], strict=True):
        assert row_by_row(report) == row_by_row(wanted), (seed, wanted["file"])
    assert found["members"] == expected["members"], seed


def row_by_row(report: dict[str, Any]) -> dict[str, Any]:
    """A report that compares readably."""
    reasons = {row: reason for reason, rows in report["refused"].items() for row in rows}
    return {**report, "refused": dict(sorted(reasons.items()))}
