"""When a delivery is tried again, how an endpoint rests after failures, and when it is given up.

The waits are data; each is lengthened by up to a tenth, so that a receiver that comes back is not
met by everything at once.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

WAITS: Final = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2),
    timedelta(hours=5), timedelta(hours=10), timedelta(hours=14), timedelta(hours=20),
    timedelta(hours=24),
)  # fmt: skip
TRIES: Final = len(WAITS) + 1
REST_FIRST: Final = timedelta(seconds=5)  # of an endpoint after a failure, doubled with each more
REST_MAX: Final = timedelta(minutes=5)
DISABLED_AFTER: Final = timedelta(days=5)  # of failures without one success
KEPT: Final = timedelta(days=30)  # a delivery and its attempts
LEASE: Final = timedelta(seconds=60)  # longer than any attempt lasts


def wait_after(tries: int) -> timedelta | None:
    """The wait after so many failed tries; None after the last."""
    if tries >= TRIES:
        return None
    wait = WAITS[tries - 1]
    tenth = round(wait.total_seconds() * 100)  # in milliseconds
    return wait + timedelta(milliseconds=secrets.randbelow(tenth))


def rest_after(failures: int) -> timedelta:
    """How long an endpoint is left alone after so many failures without a success."""
    doublings = min(failures - 1, (REST_MAX // REST_FIRST).bit_length())
    return min(REST_FIRST * (1 << doublings), REST_MAX)
