"""`python -m bench`: one JSON line per figure.

CARD_BENCH_ONLY=offline measures offline codes alone, CARD_BENCH_ONLY=scoring scores alone, with
CARD_BENCH_MEMBERS=1000000 of ten million records (about ten minutes and 12 GB of disk).
CARD_BENCH_ONLY=settlement settles alone, with CARD_BENCH_REDEMPTIONS=100000 a smaller month;
hot_paths and hot_spots can be measured alone too.

Rates and CPU times of the hot paths beside the floors of the same run.  Cases are interleaved and
repeated; each begins with a load that is not counted, because a new connection to the database
costs about 19 ms of CPU time before it has its plans and caches, and the steady state is what is
measured.  A round in which one worker got nearly all the work is dropped; medians are quoted.
Rates move with the machine, ratios and CPU time per request much less.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.hot_paths import measure_hot_paths
from bench.hot_spots import measure_hot_spots
from bench.imports import measure_imports
from bench.offline import measure_offline
from bench.pictures import measure_pictures
from bench.scoring import measure_scoring
from bench.settlement import measure_settlement
from bench.stage import Ready, stage
from demo.supervise import postgres_directory

STAGED: dict[str, Callable[[Ready], list[dict[str, Any]]]] = {
    "hot_paths": measure_hot_paths, "hot_spots": measure_hot_spots, "scoring": measure_scoring,
    "settlement": measure_settlement,
}  # fmt: skip


def main(only: str) -> None:
    """Measure everything, or `offline` or one of STAGED alone, and print it."""
    if only == "offline":
        _print(measure_offline())
        return
    with tempfile.TemporaryDirectory(prefix="card-bench-") as directory:
        with stage(Path(directory)) as ready:
            wanted = [only] if only else list(STAGED)
            figures = [figure for name in wanted for figure in STAGED[name](ready)]
        # Elsewhere when root runs below a folder that the server's user cannot enter.
        shutil.rmtree(postgres_directory(Path(directory)), ignore_errors=True)
        if not only:
            figures += measure_pictures()
    if not only:
        figures += measure_imports() + measure_offline()
    _print(figures)


def _print(figures: list[dict[str, Any]]) -> None:
    for figure in figures:
        assert figure.keys() >= {"name", "value", "unit", "ratio", "limit"}, figure
        print(json.dumps(figure, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main(os.environ.get("CARD_BENCH_ONLY", ""))
