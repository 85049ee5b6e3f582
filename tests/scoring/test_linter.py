"""The linter tells everything that is wrong, with its line; editors know the same keys."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest
from flask import Flask

from app.kernel.keyed_documents import json_schema
from app.records.catalogue import load_catalogue, parse_catalogue, read_catalogue_file
from app.scoring.keys import SCHEMA_TITLE, SCHEME
from app.scoring.scheme import DIRECTORY, catalogue_code, lint_scheme, read_scheme_file
from tests.scoring.test_random_schemes import FAULTS

TEXT = read_scheme_file("jinhua-xinyijin-2026.1")
SHIPPED = sorted(DIRECTORY.glob("*.toml"))
CATALOGUE = parse_catalogue(read_catalogue_file("jinhua") + FAULTS)
MINUS = """
[[indicator]]
code = "901"
dimension = "4"
name = "失信记录"
rule = "table"
cap = 50
validity_days = 400
record_type = "faults"
items = { "轻微" = "-5", "较重" = "-20" }
"""


def faults(*lines: str) -> list[str]:
    """What is wrong with the Jinhua scheme and one more indicator."""
    entry = "\n".join(("[[indicator]]", 'code = "901"', 'dimension = "4"', 'name = "x"', *lines))
    return [
        f"{one.place.removeprefix('scheme.indicator 901.')}: {one.reason}"
        for one in lint_scheme(TEXT + entry, catalogue=CATALOGUE)
    ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_ships_is_good_and_fits_the_schema_of_editors(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert lint_scheme(text, catalogue=load_catalogue(catalogue_code(text))) == ()
    plain = json.loads(json.dumps(tomllib.loads(text), default=str))
    jsonschema_rs.validator_for(json_schema(SCHEME, title=SCHEMA_TITLE)).validate(plain)


def test_the_schema_of_editors_is_the_one_of_the_linter() -> None:
    kept = (DIRECTORY / "scheme.schema.json").read_text(encoding="utf-8")
    assert json.loads(kept) == json_schema(SCHEME, title=SCHEMA_TITLE)


def test_all_errors_are_told_each_with_its_line() -> None:
    wrong = TEXT
    for old, new in (
        ("total_cap = 1000", "total_cap = -1"), ('"国家级" = "80"', '"国" = "80"'),
        ('dimension = "4"', 'dimension = "5"'), ("lot_days = 730", "days = 1"),
    ):  # fmt: skip
        wrong = wrong.replace(old, new)
    found = [(one.line, one.place, one.reason) for one in lint_scheme(wrong, catalogue=CATALOGUE)]
    lines = wrong.split("\n")
    assert [lines[line - 1] for line, _, _ in found] == [
        "total_cap = -1", 'items = { "国" = "80" }', *['dimension = "5"'] * 3, "[points]",
        "days = 1",
    ]  # fmt: skip
    assert found[1][1:] == ("scheme.indicator 201.items", "国 is not in the catalogue")
    assert [reason for _, _, reason in found[-2:]] == ["missing", "unknown key"]


def test_a_text_that_is_no_toml_has_a_line_too() -> None:
    [fault] = lint_scheme('code = "x"\nversion =\n', catalogue=CATALOGUE)
    assert (fault.line, fault.place) == (2, "scheme")


@pytest.mark.parametrize(("lines", "found"), [
    (['rule = "base"', 'value = "-1"', "cap = 1"],
     ["value: a starting value, not negative, expected"]),
    (['rule = "base"', 'value = "1"', "cap = 1", 'record_type = "honours"'],
     ["record_type: a starting value comes from no record"]),
    (['rule = "once"', "cap = 9", 'record_type = "honours"',
      'items = {"省级" = "1", "市级" = "2"}'],
     ["items: what counts once has one value; use best_of"]),
    (['rule = "factor"', "cap = 9", 'record_type = "public_credit"', 'value = "1"',
      'measure = "basic"', 'period = "year"'],
     ["period: of results the latest counts, whenever it was"]),
    (['rule = "best_of"', "cap = 9", 'record_type = "community_service"', 'value = "1"',
      'decay = "linear"', 'period_cap = "5"'],
     ["decay: linear decay needs validity_days", "period_cap: above zero, with a period"]),
    (['rule = "once"', "cap = 9", 'record_type = "community_service"', 'value = "1"',
      'decay = "steps"', "validity_days = 90",
      'steps = [{from_day = 30, share = "0.5"}, {from_day = 90, share = "0.6"}]'],
     ["steps: a step after the end of validity", "steps: share falls from 1 towards 0"]),
])  # fmt: skip
def test_rules_that_make_no_sense_are_told(lines: list[str], found: list[str]) -> None:
    assert sorted(faults(*lines)) == sorted(found)


@pytest.mark.parametrize(("old", "new", "reason"), [
    ('record_type = "faults"', 'record_type = "civility"', "items"),
    ('"-5"', '"5"', "faults is adverse: minus only"),
    ("validity_days = 400", "validity_days = 401", "at most the term of 400 days"),
    ("validity_days = 400\n", "", "at most the term of 400 days"),
    ('rule = "table"', 'rule = "best_of"', "minus items are a table"),
])  # fmt: skip
def test_r8_minus_items_need_law_evidence_and_end(old: str, new: str, reason: str) -> None:
    assert lint_scheme(TEXT + MINUS, catalogue=CATALOGUE) == ()
    assert old in MINUS
    found = lint_scheme(TEXT + MINUS.replace(old, new), catalogue=CATALOGUE)
    assert reason in "\n".join(map(str, found))


def test_plus_types_take_no_minus_values() -> None:
    minus = TEXT.replace('"文明家庭/三星" = "10"', '"文明家庭/三星" = "-10"')
    [fault] = lint_scheme(minus, catalogue=CATALOGUE)
    assert "plus only" in fault.reason


def test_the_command_lists_everything_and_exits_1(app: Flask, tmp_path: Path) -> None:
    runner = app.test_cli_runner()
    good = runner.invoke(args=["scheme", "lint", str(SHIPPED[0])])
    assert (good.exit_code, good.output) == (0, f"{SHIPPED[0]}: good\n")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(TEXT.replace("cap = 80", "cap = true"), encoding="utf-8")
    told = runner.invoke(args=["scheme", "lint", str(wrong)])
    line = TEXT[: TEXT.index("cap = 80")].count("\n") + 1
    assert told.exit_code == 1
    assert told.output.split("\n")[0] == (
        f"{wrong}:{line}: scheme.indicator 301.cap: a whole number, not negative, expected"
    )


def test_the_examples_of_the_document_are_keys_of_the_language() -> None:
    document = (Path(__file__).parents[2] / "docs" / "schemes.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", document, re.DOTALL)
    validator = jsonschema_rs.validator_for(json_schema(SCHEME, title=SCHEMA_TITLE))
    for example in examples:
        entry = example if re.search(r"^\[|^code", example, re.MULTILINE) else (
            f"[[indicator]]\n{example}"
        )  # fmt: skip
        wrong = [error.message for error in validator.iter_errors(
            json.loads(json.dumps(tomllib.loads(entry), default=str)))]  # fmt: skip
        assert [message for message in wrong if "required" not in message] == []
    assert len(examples) == 7
