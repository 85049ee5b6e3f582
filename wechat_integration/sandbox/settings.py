"""Who the sandbox believes its one mini program and its one real-name customer to be."""

from __future__ import annotations

from dataclasses import dataclass, field

DEMO_APP_ID = "wx0000000000000demo"
DEMO_APP_SECRET = "demo-app-secret-of-the-sandbox-only"  # noqa: S105 - opens nothing but the sandbox
DEMO_REALNAME_KEY_ID = "demo-card"
DEMO_REALNAME_KEY = "demo-real-name-key-of-the-sandbox-only"
TOKEN_CHARS = 512
TOKEN_LIFE_SECONDS = 7200


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Credentials that callers must show, and the shape of the tokens they get."""

    app_id: str = DEMO_APP_ID
    app_secret: str = field(default=DEMO_APP_SECRET, repr=False)
    realname_key_id: str = DEMO_REALNAME_KEY_ID
    realname_key: str = field(default=DEMO_REALNAME_KEY, repr=False)
    token_chars: int = TOKEN_CHARS
    token_life_seconds: int = TOKEN_LIFE_SECONDS
