"""Who the sandbox believes its one mini program and its one real-name customer to be."""

from __future__ import annotations

from dataclasses import dataclass, field

from wechat_integration.sandbox.pay_keys import PayKeys, made_up_pay_keys

DEMO_APP_ID = "wx0000000000000demo"
DEMO_APP_SECRET = "demo-app-secret-of-the-sandbox-only"  # noqa: S105 - opens nothing but the sandbox
DEMO_REALNAME_KEY_ID = "demo-card"
DEMO_REALNAME_KEY = "demo-real-name-key-of-the-sandbox-only"
PAY_WAITS_SECONDS = (15.0, 15.0, 30.0, 180.0, 1800.0, 1800.0, 1800.0, 1800.0, 3600.0)
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
    pay_keys: PayKeys = field(default_factory=made_up_pay_keys, repr=False)
    pay_waits_seconds: tuple[float, ...] = PAY_WAITS_SECONDS  # between the tries of a notice
    pay_notice_more_times: int = 0  # sent again after it was taken
