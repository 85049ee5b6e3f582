"""Pass codes shown at machines that only ask: a gate, a turnstile.  They burn like at a counter."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from app.kernel.database import hot_call
from app.kernel.errors import refusal
from app.kernel.keys import KeyProvider
from app.redemptions.codes import CodeUnreadable, PassCode, read_scan

_BURN: Final = """
SELECT redemption_burn_pass(
    %(citizen)s, %(digest)s, %(presenter)s, %(expires_at)s, %(session)s) AS refusal_code
"""


def burn_pass_code(*, keys: KeyProvider, presenter_id: UUID, code: str) -> UUID:
    """Whose pass code it is; it is burnt, in a transaction of its own, also when it is refused.

    Refuses `code_unreadable`, `code_burnt`, `code_expired`, `card_inactive`, `holder_signed_out`.
    """
    read = read_scan(keys, code)
    if not isinstance(read, PassCode):
        raise CodeUnreadable
    row = hot_call(_BURN, {
        "citizen": read.citizen_id, "digest": read.digest, "presenter": presenter_id,
        "expires_at": read.expires_at, "session": read.session_id,
    })  # fmt: skip
    assert row is not None, "the function returns one row"
    if row["refusal_code"] is not None:
        raise refusal(row["refusal_code"])
    return read.citizen_id
