"""The operator's commands for schemes and scores."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from app.kernel.ids import new_id
from app.records.catalogue import DIRECTORY as CATALOGUES
from app.scoring.scheme import DIRECTORY
from tests.trail.assessed import assessed

CATALOGUE = CATALOGUES / "jinhua.toml"
SHIPPED = DIRECTORY / "jinhua-xinyijin-2026.1.toml"


def test_a_scheme_is_published_from_its_file(app: Flask, tmp_path: Path) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(args=["scheme", "refresh-scores"]).output == "0 scores changed\n"
    unknown = ["scheme", "publish", "--assessment", str(new_id()), str(SHIPPED)]
    unassessed = runner.invoke(args=unknown)
    assert "(assessment_missing)" in unassessed.output
    publish = ["scheme", "publish", "--assessment", str(assessed("scoring"))]
    early = runner.invoke(args=[*publish, str(SHIPPED)])
    assert early.exit_code == 1
    assert early.output.endswith("(catalogue_not_published)\n")
    catalogue = runner.invoke(args=[
        "catalogue", "publish", str(CATALOGUE), "--assessment", str(assessed("collecting")),
    ])
    assert catalogue.output.startswith("2026.1 ")
    published = runner.invoke(args=[*publish, str(SHIPPED)])
    assert published.output.startswith("jinhua-xinyijin 2026.1 ")
    assert runner.invoke(args=[*publish, str(SHIPPED)]).output == published.output
    wrong = tmp_path / "wrong.toml"
    text = SHIPPED.read_text(encoding="utf-8")
    wrong.write_text(text.replace("total_cap = 1000", "total_cap = 900"), encoding="utf-8")
    taken = runner.invoke(args=[*publish, str(wrong)])
    assert (taken.exit_code, taken.output) == (
        1, "Error: This scheme version is published with other rules (scheme_version_taken)\n",
    )
    wrong.write_text(text.replace("total_cap", "total"), encoding="utf-8")
    refused = runner.invoke(args=[*publish, str(wrong)])
    assert "scheme.total_cap" in refused.output
