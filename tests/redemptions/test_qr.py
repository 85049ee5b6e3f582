"""Codes drawn by us are read by somebody else's reader."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from app.kernel.keys import KeyRing, new_key_document
from app.redemptions import codes, qr

KEYS = KeyRing.from_document(new_key_document())


def a_pass_code() -> str:
    now = datetime.now(UTC)
    return codes.make_pass_code(KEYS, citizen_id=uuid4(), session_id=uuid4(), issued_at=now)


def a_voucher_code() -> str:
    return codes.make_voucher_code(KEYS, citizen_id=uuid4(), voucher_id=uuid4())


def decode(image: Image.Image) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(
        np.asarray(image.convert("L")),
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
    )]


@pytest.mark.parametrize("make", [a_pass_code, a_voucher_code])
def test_a_png_is_readable_at_180_pixels(make: object) -> None:
    assert callable(make)
    for _ in range(20):
        text = make()
        picture = Image.open(io.BytesIO(qr.qr_png(text)))
        assert picture.width >= qr.PNG_LEAST_PIXELS
        assert decode(picture) == [text]
        assert decode(picture.resize((180, 180), Image.Resampling.BILINEAR)) == [text]


def test_an_svg_draws_exactly_the_modules() -> None:
    text = a_pass_code()
    svg = qr.qr_svg(text)
    matrix = qr.qr_matrix(text)
    drawn = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", svg)}
    dark = {(x, y) for y, row in enumerate(matrix) for x, on in enumerate(row) if on}
    assert drawn == dark
    assert f'viewBox="0 0 {len(matrix)} {len(matrix)}"' in svg
    image = Image.new("L", (len(matrix) * 8, len(matrix) * 8), 255)
    for x, y in drawn:
        image.paste(0, (x * 8, y * 8, x * 8 + 8, y * 8 + 8))
    assert decode(image) == [text]


def test_codes_stay_small() -> None:
    modules = len(qr.qr_matrix(a_pass_code())) - 2 * qr.QUIET_ZONE_MODULES
    assert (modules - 17) // 4 <= 6  # far below version 10


def test_a_terminal_drawing_is_readable() -> None:
    text = a_voucher_code()
    lines = qr.qr_terminal(text).split("\n")
    shades = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}
    rows: list[list[int]] = []
    for line in lines:
        rows.extend([[shades[c][half] for c in line] for half in (0, 1)])
    image = Image.fromarray(np.array(rows, dtype=np.uint8))
    big = image.resize((image.width * 8, image.height * 8), Image.Resampling.NEAREST)
    assert decode(big) == [text]
