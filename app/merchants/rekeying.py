"""The contacts of organisations that apply, moved when their key changes."""

from __future__ import annotations

from typing import Final

from app.kernel.keys import KeyPurpose
from app.kernel.rotation import Closed, Stock
from app.merchants.applications import contact_context

STOCKS: Final[tuple[Stock, ...]] = (
    Closed(
        KeyPurpose.MERCHANT_CONTACT, "merchant_applications", "application_id", "contact_sealed",
        contact_context,
    ),
)
