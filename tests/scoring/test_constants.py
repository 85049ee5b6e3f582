"""What a scheme's author writes stands in statements as a constant, whatever it looks like."""

from __future__ import annotations

from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import Integer, bindparam, select

from app.kernel.database import reading
from app.scoring.counting import exact, whole, word


@pytest.mark.parametrize("text", [
    "志愿服务", "it's", '"quoted"', "back\\slash'", "100%", "%(as_of)s %s", ":as_of", "$1",
    "a::text", "'; DROP TABLE records; --",
])  # fmt: skip
def test_a_text_is_itself(app: Flask, text: str) -> None:
    with reading() as session:
        assert session.scalar(select(word(text))) == text
        beside = select(word(text), bindparam("n", type_=Integer()))
        assert session.execute(beside, {"n": 1}).one() == (text, 1)


def test_a_number_is_itself_and_keeps_its_sign(app: Flask) -> None:
    asked = select(exact(Decimal("-0.50")), 1 - exact(-2), whole(-5) - whole(-3))
    with reading() as session:
        assert session.execute(asked).one() == (Decimal("-0.50"), 3, -2)
