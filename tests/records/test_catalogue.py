"""The information catalogue is checked when it is read."""

from __future__ import annotations

import pytest

from app.kernel.documents import DocumentFormat
from app.records.catalogue import (
    DIRECTORY,
    FORBIDDEN_CONTENT_WORDS,
    FORBIDDEN_HEADER_WORDS,
    ITEM_REASONS,
    PATTERN_REASONS,
    CatalogueError,
    load_catalogue,
    parse_catalogue,
)
from app.records.steps import Reason

TEXT = (DIRECTORY / "jinhua.toml").read_text(encoding="utf-8")


def test_what_ships_is_whole() -> None:
    catalogue = load_catalogue()
    assert len(catalogue.record_types) == 10
    assert all(kind.legal_basis and kind.positive for kind in catalogue.record_types.values())
    blood = catalogue.record_types["blood_donations"]
    assert blood.details_columns == ("献血证号", "采血点")
    assert catalogue.record_types["public_credit"].details_columns == ()


MINUS = """
[[record_type]]
code = "court_arrears"
title = "生效裁判未履行"
unit = "市中级人民法院"
disclosure = "government"
legal_basis = "民事诉讼法 第二百六十六条"
update_frequency = "monthly"
retention_days = 1095
positive = false
directory = "全国公共信用信息基础目录 第十一项"
evidence = "案号"
term_days = 1095
columns = [
  { name = "记录编号", kind = "code" },
  { name = "版本号", kind = "version" },
  { name = "记录状态", kind = "status" },
  { name = "身份证号", kind = "id" },
  { name = "文书日期", kind = "date" },
  { name = "案号", kind = "text" },
]
"""
WRONG_KEYS = [
    ('legal_basis = "志愿服务条例', 'x = 1\nlegal_basis = "志愿服务条例',
     "record_type volunteer_hours.x"),
    ('legal_basis = "浙江省公共信用信息管理条例"', 'legal_basis = ""',
     "record_type public_credit.legal_basis"),
    ("positive = true", "positive = false", "record_type members.directory"),
    ('measures = { hours = "服务时长" }', 'measures = { hours = "时长" }',
     "record_type volunteer_hours.measures"),
    ('least = "0.1", ', "", "column 服务时长.least"),
    ('least = "0.1", ', "least = 0.1, ", "column 服务时长.least"),
    ('least = "0.1", ', 'least = "25", ', "column 服务时长.least: above most"),
    (', mismatch = "bad_certificate"', "", "column 献血证号.mismatch"),
    ('mismatch = "bad_certificate"', 'mismatch = "bad"', "column 献血证号.mismatch"),
    ('pattern = "[0-9]{16}"', 'pattern = "([0-9]+)+"', "column 献血证号.pattern"),
    ('unknown_item = "unknown_deed"', "", "record_type good_deeds.items"),
    ('unknown_item = "unknown_deed"', 'unknown_item = "who"', "good_deeds.unknown_item"),
    ('code = "honours"', 'code = "civility"', "record_type.code"),
    ('{ name = "采血点", kind = "text" }', '{ name = "采血点", kind = "date" }',
     "record_type blood_donations.columns"),
    ('name = "服务日期", ', 'name = "服务日期", optional = true, ', "column 服务日期.optional"),
    ('disclosure = "consent"', 'disclosure = "secret"', "record_type members.disclosure"),
    ("retention_days = 3650", "retention_days = -1", "record_type honours.retention_days"),
    ('unit = "市文明办"', 'unit = "市文明办"\nregister = true', "record_type.register"),
    ('version = "2026.1"', 'version = "../1"', "catalogue.version"),
    ('version = "2026.1"', 'version = "2026.1"\nsecret = 1', "catalogue.secret"),
    ('version = "2026.1"', "version = ", "catalogue: no TOML"),
    ('spends = "points"', 'spends = "money"', "record_type points_orders.spends"),
    # Forbidden fields and what libraries and clinics never tell (R9, R24).
    ('name = "采血点"', 'name = "血 型"', "record_type blood_donations.columns: 血 型 holds 血型"),
    ('name = "活动名称"', 'name = "所借书名"', "record_type volunteer_hours.columns"),
    ('title = "社区服务"', 'title = "体检"', "record_type community_service.title"),
    ('items = ["见义勇为"', 'items = ["确诊疾病"', "record_type good_deeds.items"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key"), WRONG_KEYS)
def test_a_wrong_catalogue_names_the_key(old: str, new: str, key: str) -> None:
    assert old in TEXT
    with pytest.raises(CatalogueError, match=key):
        parse_catalogue(TEXT.replace(old, new, 1))


def test_r8_a_minus_item_has_a_law_its_evidence_and_an_end() -> None:
    made = parse_catalogue(TEXT + MINUS).record_types["court_arrears"]
    assert (made.positive, made.evidence, made.term_days) == (False, "案号", 1095)
    assert made.directory is not None
    for old, new, key in (
        ('legal_basis = "民事诉讼法 第二百六十六条"', "", "legal_basis"),
        ('directory = "全国公共信用信息基础目录 第十一项"', "", "directory"),
        ('evidence = "案号"', "", "evidence"),
        ('evidence = "案号"', 'evidence = "文书日期"', "evidence"),
        ('{ name = "案号", kind = "text" }', '{ name = "案号", kind = "text", optional = true }',
         "evidence"),
        ("term_days = 1095", "", "term_days"),
        ("term_days = 1095", "term_days = 1826", "term_days"),
        ("retention_days = 1095", "retention_days = 0", "retention_days"),
        ("retention_days = 1095", "retention_days = 1826", "retention_days"),
        ("positive = false", "positive = true", "directory"),
    ):  # fmt: skip
        assert old in MINUS
        with pytest.raises(CatalogueError, match=f"record_type court_arrears.{key}"):
            parse_catalogue(TEXT + MINUS.replace(old, new, 1))


def test_r9_forbidden_words_only_grow() -> None:
    more = 'version = "2026.1"\nforbidden_header_words = ["星座"]\nforbidden_content_words = []'
    made = parse_catalogue(TEXT.replace('version = "2026.1"', more, 1))
    assert made.forbidden_header_words == (*FORBIDDEN_HEADER_WORDS, "星座")
    assert made.forbidden_content_words == FORBIDDEN_CONTENT_WORDS


def test_toml_and_json_are_the_same_catalogue() -> None:
    first = load_catalogue()
    again = parse_catalogue(first.document, form=DocumentFormat.JSON)
    assert again == first
    assert again.content_hash == first.content_hash
    for text in ("[]", "{", '{"record_type": [1]}'):
        with pytest.raises(CatalogueError):
            parse_catalogue(text, form=DocumentFormat.JSON)


def test_reasons_of_a_catalogue_are_reasons() -> None:
    assert {reason.value for reason in Reason} >= ITEM_REASONS | PATTERN_REASONS
