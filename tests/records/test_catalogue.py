"""The information catalogue is checked when it is read."""

from __future__ import annotations

import pytest

from app.records.catalogue import DIRECTORY, CatalogueError, load_catalogue, parse_catalogue

TEXT = (DIRECTORY / "jinhua.toml").read_text(encoding="utf-8")


def test_what_ships_is_whole() -> None:
    catalogue = load_catalogue()
    assert len(catalogue.record_types) == 10
    assert all(kind.legal_basis and kind.positive for kind in catalogue.record_types.values())
    blood = catalogue.record_types["blood_donations"]
    assert blood.details_columns == ("献血证号", "采血点")
    assert catalogue.record_types["public_credit"].details_columns == ()


@pytest.mark.parametrize(("old", "new", "key"), [
    ('legal_basis = "志愿服务条例', 'x = "志愿服务条例', "record_type volunteer_hours.x"),
    ('legal_basis = "浙江省公共信用信息管理条例"', 'legal_basis = ""',
     "record_type public_credit.legal_basis"),
    ("positive = true", "positive = false", "record_type members.positive"),
    ('measures = { hours = "服务时长" }', 'measures = { hours = "时长" }',
     "record_type volunteer_hours.measures"),
    ('least = "0.1", ', "", "column 服务时长.least"),
    (', mismatch = "bad_certificate"', "", "column 献血证号.mismatch"),
    ('unknown_item = "unknown_deed"', "", "record_type good_deeds.items"),
    ('code = "honours"', 'code = "civility"', "record_type.code"),
    ('{ name = "采血点", kind = "text" }', '{ name = "采血点", kind = "date" }',
     "record_type blood_donations.columns"),
])  # fmt: skip
def test_a_wrong_catalogue_names_the_key(old: str, new: str, key: str) -> None:
    assert old in TEXT
    with pytest.raises(CatalogueError, match=key):
        parse_catalogue(TEXT.replace(old, new, 1))
