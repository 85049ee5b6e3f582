"""What tables and columns are called in Chinese, for people who read what is kept about them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

LABELS_FILE: Final = Path(__file__).parent / "labels.toml"


@cache
def labels() -> Mapping[str, Mapping[str, str]]:
    """What tables and columns are called, under `tables` and `columns`."""
    return tomllib.loads(LABELS_FILE.read_text(encoding="utf-8"))
