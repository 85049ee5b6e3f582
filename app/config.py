"""The settings of one process, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from flask import current_app


class BadSettingsError(SystemExit):
    """The environment lacks something or holds something unusable; every problem is named."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("cannot start:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """Everything a process needs to know from outside.

    Addresses are URLs; the secrets in them and in `*_secret` fields never show in a representation.
    """

    database_url: str = field(repr=False)  # the role of this process: card_web, card_job, …
    keys_file: Path  # the key ring, see app/kernel/keys.py
    redis_url: str | None = field(repr=False)  # without it: no shared cache, limits per process
    token_issuer: str  # the `iss` of every token
    wechat_base_url: str
    wechat_app_id: str
    wechat_app_secret: str = field(repr=False)
    wechat_redeemed_template_id: str
    wechat_order_due_template_id: str | None  # without it nobody is reminded of what is due
    wechat_shown_again_template_id: str | None  # without it only the trail tells of a copied code
    wechat_order_over_template_id: str | None  # without it no holder is told that the use is over
    wechat_incident_template_id: str | None  # without it notices stand in the program alone
    wechat_pay_file: Path | None = field(repr=False)  # the account at WeChat Pay, JSON
    real_name_url: str
    real_name_key_id: str
    real_name_secret: str = field(repr=False)  # at least 32 bytes
    sms_url: str | None  # the service for one-time PINs; without it: only staff open paper cards
    sms_key_id: str
    sms_secret: str | None = field(repr=False)  # at least 32 bytes
    hotline: str  # printed on the sheets of paper cards
    programme_code: str  # the city's programme, one per deployment
    scheme_notice_days: int  # from the public notice of new rules to the day they apply, at least
    database_pool_size: int  # of each of the two pools of a process; threads plus two
    trusted_proxy_count: int  # how many proxies in front may set X-Forwarded-For
    log_level: str
    metrics_token_secret: str | None = field(repr=False)  # bearer token for /metrics off loopback
    job_concurrency: int  # jobs that one worker runs at once
    job_poll_milliseconds: int  # between a worker's looks into the outbox and the queue
    job_stall_seconds: int  # a worker without a heartbeat for so long is dead
    job_retry_seconds: int  # before a failed job's second try; each wait after is six times longer
    clamd_url: str | None  # the virus scanner, tcp://host:port or unix:///path; without it: none
    csv_max_bytes: int  # the largest CSV file that is taken in
    xlsx_max_bytes: int  # the largest Excel file
    at_once_max_bytes: int  # a file that is judged while its sender waits
    objection_decide_days: int  # working days until an objection is decided
    objection_source_days: int  # of them those that the source of a record may take to answer
    objection_source_extra_days: int  # more of them, if it asks and says why
    repair_decide_days: int  # working days until a credit repair is decided
    second_look_days: int  # working days in which a citizen may ask for a second look
    death_kept_days: int  # days that what is kept of the dead rests, for relatives and mistakes
    death_reversible_days: int  # of them those in which nothing is deleted, whoever asks
    webhooks_to_loopback: bool  # for development: webhooks may go to this machine, without TLS
    deletion_journal: Path | None  # who left, outside of the database; without it a restore forgets
    trail_heads: Path | None  # the seals of the trail, signed, outside of the database
    ask_again_days: int  # after a refusal nobody is asked again for so long

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read and check all settings; BadSettingsError names every missing or bad variable."""
        reader = _Reader(environ)
        settings = cls(
            database_url=reader.url("DATABASE_URL", ("postgresql", "postgres")),
            keys_file=reader.path("CARD_KEYS_FILE"),
            redis_url=reader.optional_url("REDIS_URL", ("redis", "rediss", "unix")),
            token_issuer=reader.text("CARD_TOKEN_ISSUER", "integrity-card"),
            wechat_base_url=reader.url(
                "WECHAT_BASE_URL", ("http", "https"), "https://api.weixin.qq.com"
            ),
            wechat_app_id=reader.text("WECHAT_APP_ID"),
            wechat_app_secret=reader.text("WECHAT_APP_SECRET"),
            wechat_redeemed_template_id=reader.text("WECHAT_REDEEMED_TEMPLATE_ID"),
            wechat_order_due_template_id=environ.get("WECHAT_ORDER_DUE_TEMPLATE_ID"),
            wechat_shown_again_template_id=environ.get("WECHAT_SHOWN_AGAIN_TEMPLATE_ID"),
            wechat_order_over_template_id=environ.get("WECHAT_ORDER_OVER_TEMPLATE_ID"),
            wechat_incident_template_id=environ.get("WECHAT_INCIDENT_TEMPLATE_ID"),
            wechat_pay_file=reader.optional_path("WECHAT_PAY_FILE"),
            real_name_url=reader.url("REAL_NAME_URL", ("http", "https")),
            real_name_key_id=reader.text("REAL_NAME_KEY_ID", "card"),
            real_name_secret=reader.text("REAL_NAME_SECRET", least_bytes=32),
            sms_url=reader.optional_url("SMS_URL", ("http", "https")),
            sms_key_id=reader.text("SMS_KEY_ID", "card"),
            sms_secret=(
                reader.text("SMS_SECRET", least_bytes=32) if environ.get("SMS_URL") else None
            ),
            hotline=reader.text("CARD_HOTLINE", "12345"),
            programme_code=reader.text("CARD_PROGRAMME", "jinhua"),
            scheme_notice_days=reader.integer("CARD_SCHEME_NOTICE_DAYS", 30, 1, 365),
            database_pool_size=reader.integer("CARD_DATABASE_POOL_SIZE", 6, 1, 100),
            trusted_proxy_count=reader.integer("CARD_TRUSTED_PROXIES", 0, 0, 5),
            log_level=reader.text("CARD_LOG_LEVEL", "INFO"),
            metrics_token_secret=environ.get("CARD_METRICS_TOKEN"),
            job_concurrency=reader.integer("CARD_JOB_CONCURRENCY", 4, 1, 32),
            job_poll_milliseconds=reader.integer("CARD_JOB_POLL_MS", 500, 10, 60_000),
            job_stall_seconds=reader.integer("CARD_JOB_STALL_SECONDS", 30, 1, 600),
            job_retry_seconds=reader.integer("CARD_JOB_RETRY_SECONDS", 10, 0, 600),
            clamd_url=reader.optional_url("CARD_CLAMD_URL", ("tcp", "unix")),
            csv_max_bytes=reader.integer("CARD_CSV_MAX_BYTES", 512_000_000, 1, 512_000_000),
            xlsx_max_bytes=reader.integer("CARD_XLSX_MAX_BYTES", 10_000_000, 1, 10_000_000),
            at_once_max_bytes=reader.integer("CARD_AT_ONCE_MAX_BYTES", 1 << 20, 0, 1 << 23),
            objection_decide_days=reader.integer("CARD_OBJECTION_DECIDE_DAYS", 5, 1, 60),
            objection_source_days=reader.integer("CARD_OBJECTION_SOURCE_DAYS", 2, 1, 60),
            objection_source_extra_days=reader.integer(
                "CARD_OBJECTION_SOURCE_EXTRA_DAYS", 3, 0, 60
            ),
            repair_decide_days=reader.integer("CARD_REPAIR_DECIDE_DAYS", 10, 1, 60),
            second_look_days=reader.integer("CARD_SECOND_LOOK_DAYS", 10, 1, 60),
            death_kept_days=reader.integer("CARD_DEATH_KEPT_DAYS", 180, 30, 3_650),
            death_reversible_days=reader.integer("CARD_DEATH_REVERSIBLE_DAYS", 30, 1, 365),
            webhooks_to_loopback=bool(reader.integer("CARD_WEBHOOKS_TO_LOOPBACK", 0, 0, 1)),
            deletion_journal=reader.optional_new_path("CARD_DELETION_JOURNAL"),
            trail_heads=reader.optional_new_path("CARD_TRAIL_HEADS"),
            ask_again_days=reader.integer("CARD_ASK_AGAIN_DAYS", 180, 1, 3_650),
        )
        if reader.problems:
            raise BadSettingsError(reader.problems)
        return settings


def running_settings() -> Settings:
    """The settings of the running application."""
    return cast("Settings", current_app.extensions["card_settings"])


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None, *, least_bytes: int = 1) -> str:
        value = self._environ.get(name, default)
        if not value:
            self.problems.append(f"{name} is missing")
            return ""
        if len(value.encode()) < least_bytes:
            self.problems.append(f"{name} must have at least {least_bytes} bytes")
        return value

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(name, default)
        if value and urlsplit(value).scheme.split("+")[0] not in schemes:
            self.problems.append(f"{name} must be a URL starting with {' or '.join(schemes)}")
        return value

    def optional_url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        return self.url(name, schemes) if self._environ.get(name) else None

    def path(self, name: str) -> Path:
        path = Path(self.text(name))
        if self._environ.get(name) and not path.is_file():
            self.problems.append(f"{name} names no file")
        return path

    def optional_path(self, name: str) -> Path | None:
        return self.path(name) if self._environ.get(name) else None

    def optional_new_path(self, name: str) -> Path | None:
        """A file that may not be there yet, in a folder that must be."""
        given = self._environ.get(name)
        if given and not Path(given).parent.is_dir():
            self.problems.append(f"{name} is in no folder")
        return Path(given) if given else None

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self._environ.get(name, str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            self.problems.append(f"{name} must be a whole number from {least} to {most}")
            return default
        return int(text)
