"""How the journey tells what happens: numbered chapters, one line per step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

_chapters = itertools.count(1)


def chapter(title: str) -> None:
    """Begin a chapter."""
    print(f"\n\033[1m{next(_chapters)}. {title}\033[0m", flush=True)


def tell(text: str) -> None:
    """Tell one step."""
    print(f"   {text}", flush=True)


def show(block: str) -> None:
    """Show a block of lines, such as a QR code."""
    print("\n" + "\n".join(f"   {line}" for line in block.splitlines()) + "\n", flush=True)


def table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Show figures in columns; the first column is text."""
    lines = [header, *[tuple(str(cell) for cell in row) for row in rows]]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    for line in lines:
        first = line[0].ljust(widths[0])
        others = zip(line[1:], widths[1:], strict=True)
        rest = "  ".join(cell.rjust(width) for cell, width in others)
        print(f"   {first}  {rest}", flush=True)


def yuan(amount_fen: int) -> str:
    """An amount as people write it."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100}.{abs(amount_fen) % 100:02} yuan"
