"""How long a QR picture takes; it is drawn off the hot path."""

from __future__ import annotations

import statistics
import time
from typing import Any

from app.kernel.clock import now
from app.kernel.ids import new_id, random_id
from app.kernel.keys import KeyRing, new_key_document
from app.redemptions.codes import make_pass_code
from app.redemptions.qr import qr_png

ROUNDS = 30


def measure_pictures() -> list[dict[str, Any]]:
    """Milliseconds of one PNG of a pass code, never the same twice."""
    keys = KeyRing.from_document(new_key_document())
    taken = []
    for _ in range(ROUNDS):
        text = make_pass_code(keys, citizen_id=random_id(), session_id=new_id(), issued_at=now())
        started = time.perf_counter()
        qr_png(text)
        taken.append((time.perf_counter() - started) * 1000)
    return [{
        "name": "pass code as PNG", "value": round(statistics.median(taken), 2), "unit": "ms",
        "ratio": None, "limit": 15,
    }]
