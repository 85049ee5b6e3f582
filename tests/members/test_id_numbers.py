"""Identity numbers: one spelling, the check digit, the date of birth, coming of age."""

from datetime import date

import pytest

from app.members.id_numbers import (
    IdNumberInvalid,
    check_character,
    compact_id_number,
    is_adult,
    mask_id_number,
    parse_id_number,
)
from app.members.spelling import (
    NameInvalid,
    PhoneInvalid,
    canonical_name,
    mask_name,
    mask_phone,
    parse_name,
    parse_phone,
)


@pytest.mark.parametrize(
    "spelling",
    [
        "11010519491231002X", "11010519491231002x", " 110105 19491231 002X ",
        "１１０１０５１９４９１２３１００２Ｘ", "110105\u300019491231\u00a0002ｘ",
        "\ufeff11010519491231002X\u200b",
    ],
)
def test_every_spelling_is_one_number(spelling: str) -> None:
    number = parse_id_number(spelling)
    assert number.value == "11010519491231002X"
    assert number.born_on == date(1949, 12, 31)
    assert compact_id_number(spelling) == number.value


@pytest.mark.parametrize(
    "text",
    [
        "", "110105491231002", "11010519491231002", "11010519491231002XX", "110105194912310021",
        "'11010519491231002X", "3.3E+17", "110105-19491231-002X", "x1010519491231002X",
        "11010519491331002" + check_character("11010519491331002"),
        "11010519490229002" + check_character("11010519490229002"),
        "١١٠١٠٥١٩٤٩١٢٣١٠٠٢X",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(IdNumberInvalid):
        parse_id_number(text)


def test_each_wrong_check_character_is_refused() -> None:
    for last in set("0123456789X") - {"X"}:
        with pytest.raises(IdNumberInvalid):
            parse_id_number("11010519491231002" + last)


def test_the_number_does_not_show() -> None:
    assert "1949" not in repr(parse_id_number("11010519491231002X"))


@pytest.mark.parametrize(
    ("born_on", "on", "adult"),
    [
        (date(2008, 11, 21), date(2026, 11, 20), False),
        (date(2008, 11, 21), date(2026, 11, 21), True),
        (date(2004, 2, 29), date(2022, 2, 28), False),
        (date(2004, 2, 29), date(2022, 3, 1), True),
        (date(2008, 2, 29), date(2026, 2, 28), False),
        (date(2008, 12, 31), date(2026, 12, 30), False),
        (date(2008, 12, 31), date(2026, 12, 31), True),
        (date(2008, 1, 1), date(2025, 12, 31), False),
        (date(1930, 6, 6), date(2026, 1, 1), True),
    ],
)
def test_the_birthday_itself_is_old_enough(born_on: date, on: date, adult: bool) -> None:  # noqa: FBT001
    assert is_adult(born_on=born_on, on=on) is adult


def test_masks_cover_what_tells_most() -> None:
    assert mask_id_number("11010519491231002X") == "110105********002X"
    assert mask_name("方志远") == "方**"
    assert mask_name("方") == "方"
    assert mask_phone("13812345678") == "138****5678"


def test_names_have_one_spelling() -> None:
    assert canonical_name(" 阿卜杜拉\u3000•\u200b买买提 ") == "阿卜杜拉·买买提"
    for text in ("", " \u3000", "方" * 65, "方\x00", "方\u202e志"):
        with pytest.raises(NameInvalid):
            parse_name(text)


@pytest.mark.parametrize(
    "text", ["13812345678", "+86 138-1234-5678", "８６１３８１２３４５６７８", "138 1234 5678"]
)
def test_phones_have_one_spelling(text: str) -> None:
    assert parse_phone(text) == "13812345678"


@pytest.mark.parametrize("text", ["", "12812345678", "1381234567", "138123456789", "+852 6123"])
def test_other_phones_are_refused(text: str) -> None:
    with pytest.raises(PhoneInvalid):
        parse_phone(text)
