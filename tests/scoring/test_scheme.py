"""Schemes are data: read strictly, published once, later versions later."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask

from app.records.catalogue import load_catalogue
from app.records.queries import CatalogueNotPublished
from app.scoring.operations import (
    SchemeNotFirst,
    SchemeNotPublished,
    SchemeVersionTaken,
    open_current_scheme,
    publish_scheme,
)
from app.scoring.queries import scheme_in_force
from app.scoring.scheme import Scheme, SchemeError, parse_scheme, read_scheme_file
from demo.load import publish_catalogue
from tests.scoring.drafts import activate, later_text

TEXT = read_scheme_file("jinhua-xinyijin-2026.1")


def parsed(text: str = TEXT) -> Scheme:
    return parse_scheme(text, catalogue=load_catalogue())


def test_the_jinhua_scheme_has_what_is_given() -> None:
    scheme = parsed()
    assert [dimension.cap for dimension in scheme.dimensions] == [500, 200, 200, 100]
    assert (len(scheme.indicators), scheme.total_cap) == (20, 1000)
    by_code = {one.code: one for one in scheme.indicators}
    given = {code for code, one in by_code.items() if "name" not in one.illustrative}
    assert given == {str(code) for code in [*range(201, 208), *range(301, 305)]}
    assert all("cap" in one.illustrative for one in scheme.indicators)
    assert all("validity_days" in one.illustrative for one in scheme.indicators)
    assert "value" not in by_code["101"].illustrative  # the half of the result is given
    assert all(tier.illustrative for tier in scheme.tiers)
    assert all(grant.illustrative for grant in scheme.points.grants)


@pytest.mark.parametrize(("old", "new", "key"), [
    ("total_cap = 1000", "total_cap = 1000.5", r"scheme\.total_cap"),
    ("total_cap = 1000", "total_cap = true", r"scheme\.total_cap"),
    ("total_cap = 1000", "total_cap = -1", r"scheme\.total_cap"),
    ("total_cap = 1000", "total_cap = 1000\nsurprise = 1", r"scheme\.surprise"),
    ('title = "金华市民诚信卡（信义金）"', 'title = ""', r"scheme\.title"),
    ("effective_on = 2026-01-01", 'effective_on = "2026-01-01"', r"scheme\.effective_on"),
    ('rule = "once"', 'rule = "twice"', r"scheme\.indicator 205\.rule"),
    ('unit = "hour"', 'unit = "day"', r"scheme\.indicator 301\.unit"),
    ('value = "0.5"', "value = 0.5", r"scheme\.indicator 101\.value"),
    ('value = "0.5"', 'value = "half"', r"scheme\.indicator 101\.value"),
    ('value = "0.5"', 'value = "-1"', r"scheme\.indicator 101\.value"),
    ('measure = "hours"', 'measure = "hour"', r"scheme\.indicator 301\.measure"),
    ('measure = "hours"\n', "", r"scheme\.indicator 301\.measure"),
    ('"国家级" = "80"', '"世界级" = "80"', r"scheme\.indicator 201\.items: 世界级"),
    ('"国家级" = "80"', '"国家级" = 80', r"indicator 201\.items"),
    ('record_type = "good_deeds"', 'record_type = "deeds"', r"indicator 305\.record_type"),
    ('dimension = "4"', 'dimension = "5"', r"scheme\.indicator 401\.dimension"),
    ('code = "402"', 'code = "401"', r"scheme\.indicator 401\.code"),
    ('indicator = "305"', 'indicator = "306"', r"scheme\.points\.grant 306\.indicator"),
    ('"见义勇为" = 50', '"见义勇为" = "50"', r"scheme\.points\.grant 305\.items"),
    ("points = 20", "", r"scheme\.points\.grant 302\.points"),
    ("[points]", "[points", "scheme"),
])  # fmt: skip
def test_a_wrong_scheme_names_the_key(old: str, new: str, key: str) -> None:
    assert old in TEXT
    with pytest.raises(SchemeError, match=key):
        parsed(TEXT.replace(old, new, 1))


def test_the_first_version_is_published_once_and_later_ones_are_proposed(app: Flask) -> None:
    with pytest.raises(SchemeNotPublished):
        open_current_scheme()
    with pytest.raises(CatalogueNotPublished):
        publish_scheme(document=TEXT)
    publish_catalogue()
    first = publish_scheme(document=TEXT)
    assert publish_scheme(document=TEXT) == first
    with pytest.raises(SchemeVersionTaken):
        publish_scheme(document=TEXT.replace("cap = 80", "cap = 81"))
    second = TEXT.replace('version = "2026.1"', 'version = "2026.2"')
    with pytest.raises(SchemeNotFirst):
        publish_scheme(document=second.replace("2026-01-01", "2026-07-01"))


def test_a_version_applies_from_its_date_on(app: Flask) -> None:
    publish_catalogue()
    publish_scheme(document=TEXT)
    activate(later_text(version="2026.2", effective_on=date(2026, 7, 1)))
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1)]
    found = [scheme_in_force(on=on) for on in days]
    assert [one.version if one else None for one in found] == [None, "2026.1", "2026.1", "2026.2"]
