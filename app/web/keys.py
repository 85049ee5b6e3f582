"""The keys of the running application, for who hands them to an operation."""

from __future__ import annotations

from typing import cast

from flask import current_app

from app.kernel.keys import KeyProvider


def key_provider() -> KeyProvider:
    """The keys of the running application."""
    return cast("KeyProvider", current_app.extensions["card_keys"])
