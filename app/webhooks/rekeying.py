"""The secrets of webhooks, moved when their key changes."""

from __future__ import annotations

from typing import Final

from app.kernel.keys import KeyPurpose
from app.kernel.rotation import Closed, Stock
from app.webhooks.signing import secret_context

STOCKS: Final[tuple[Stock, ...]] = tuple(
    Closed(KeyPurpose.WEBHOOK_SECRET, "webhook_endpoints", "endpoint_id", column, secret_context)
    for column in ("secret_sealed", "old_secret_sealed")
)
