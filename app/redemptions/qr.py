"""Codes as pictures: PNG, SVG, and blocks for a terminal.

Clients draw a code from its text; these are for those that cannot.  Error correction M, a quiet
zone of four modules, whole pixels per module: readable at 180 pixels.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

import qrcode
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M

QUIET_ZONE_MODULES: Final = 4
PNG_LEAST_PIXELS: Final = 360
VERSION_MAX: Final = 10

Matrix = tuple[tuple[bool, ...], ...]


@lru_cache(maxsize=256)
def qr_matrix(text: str) -> Matrix:
    """The modules of the code, dark is True, with the quiet zone around them."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET_ZONE_MODULES)
    code.add_data(text)
    code.make(fit=True)
    assert code.version <= VERSION_MAX, "the text is longer than any code of ours"
    return tuple(tuple(bool(module) for module in row) for row in code.get_matrix())


def qr_png(text: str) -> bytes:
    """A black and white PNG, at least PNG_LEAST_PIXELS wide."""
    matrix = qr_matrix(text)
    size = len(matrix)
    image = Image.new("1", (size, size))
    image.putdata([0 if dark else 1 for row in matrix for dark in row])
    scale = -(-PNG_LEAST_PIXELS // size)
    buffer = io.BytesIO()
    image.resize((size * scale, size * scale), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def qr_svg(text: str) -> str:
    """An SVG that scales to any size: one path, one unit square per dark module."""
    matrix = qr_matrix(text)
    size = len(matrix)
    squares = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}"'
        f' shape-rendering="crispEdges"><rect width="{size}" height="{size}" fill="#fff"/>'
        f'<path d="{squares}"/></svg>'
    )


def qr_terminal(text: str) -> str:
    """Half-block characters, two rows of modules a line, for a dark terminal."""
    matrix = qr_matrix(text)
    blank = (False,) * len(matrix)
    pairs = zip(matrix[::2], (*matrix[1::2], blank), strict=False)
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    return "\n".join(
        "".join(blocks[above, below] for above, below in zip(upper, lower, strict=True))
        for upper, lower in pairs
    )
