"""A process that cannot work says everything that is wrong, and stops."""

from pathlib import Path

import pytest

from app.config import BadSettingsError, Settings


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(BadSettingsError) as caught:
        Settings.from_environ({
            "DATABASE_URL": "mysql://somewhere",
            "CARD_KEYS_FILE": "/does/not/exist",
            "CARD_TRUSTED_PROXIES": "many",
        })
    problems = "\n".join(caught.value.problems)
    for name in (
        "DATABASE_URL", "CARD_KEYS_FILE", "CARD_TRUSTED_PROXIES",
        "WECHAT_APP_ID", "WECHAT_APP_SECRET", "REAL_NAME_URL", "REAL_NAME_SECRET",
    ):
        assert name in problems


def test_secrets_do_not_show(settings: Settings) -> None:
    shown = repr(settings)
    assert settings.wechat_app_secret not in shown
    assert settings.real_name_secret not in shown
    assert settings.database_url not in shown


def test_settings_are_frozen(settings: Settings) -> None:
    with pytest.raises(AttributeError):
        settings.keys_file = Path("elsewhere")  # type: ignore[misc]
