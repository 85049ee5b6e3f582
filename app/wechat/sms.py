"""Sending PINs and notices by SMS, speaking our errors; every call takes three seconds at most."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, cast
from uuid import UUID

from flask import current_app

from app.config import Settings
from app.kernel.database import durable
from app.kernel.errors import Conflict, Unavailable
from app.kernel.jobs import Message
from app.members.queries import find_phone
from app.web.keys import key_provider
from wechat_integration import errors as outside
from wechat_integration.sms import SEND_PATH, HttpSmsProvider, SmsProvider

log = logging.getLogger(__name__)

CONFIGURATION_RETRY_SECONDS = 60  # an operator has to act first


class SmsIsUnavailable(Unavailable):
    """The SMS service does not answer, refuses our own credentials, or there is none."""

    code: ClassVar[str] = "sms_unavailable"
    title: ClassVar[str] = "The SMS service does not answer"
    advice: ClassVar[str] = "短信暂时无法发送，请由店员核对本人身份证办理，或稍后再试。"


class PhoneRefused(Conflict):
    """The SMS service sends nothing to this number."""

    code: ClassVar[str] = "phone_refused"
    title: ClassVar[str] = "No message can be sent to the holder's phone"
    advice: ClassVar[str] = "无法向持卡人手机发送短信，请由店员核对本人身份证办理。"


@dataclass(frozen=True)
class SmsGateway:
    """The SMS service; without a provider it is always unavailable."""

    provider: SmsProvider | None

    def send_pin(self, *, message_id: UUID, phone: str, pin: str) -> None:
        """Send a PIN, once for each message id.  `sms_unavailable`, `phone_refused`."""
        durable()
        if self.provider is None:
            raise SmsIsUnavailable(retry_after_seconds=CONFIGURATION_RETRY_SECONDS)
        try:
            self.provider.send_pin(message_id=str(message_id), phone=phone, pin=pin)
        except outside.SmsError as error:
            raise _told(error) from None

    def send_notice(self, *, message_id: UUID, phone: str, what: str) -> None:
        """Send a notice, once for each message id.  `sms_unavailable`, `phone_refused`."""
        durable()
        assert self.provider is not None, "whoever has no service sends none"
        try:
            self.provider.send_notice(message_id=str(message_id), phone=phone, what=what)
        except outside.SmsError as error:
            raise _told(error) from None


def send_notice(message: Message) -> None:
    """For the worker: tell a citizen what was done in their name, where there is a phone.

    An unavailable service is asked again later; a blocked number, or none, is not.
    """
    gateway = cast("SmsGateway", current_app.extensions["card_sms"])
    phone = find_phone(keys=key_provider(), citizen_id=message.citizen_id)
    if gateway.provider is None or phone is None:
        return
    try:
        gateway.send_notice(
            message_id=message.message_id, phone=phone, what=str(message.payload["what"])
        )
    except PhoneRefused:
        log.info("no notice can be sent to a phone")


def _told(error: outside.SmsError) -> SmsIsUnavailable | PhoneRefused:
    """Our refusal for what came from the service."""
    if isinstance(error, outside.SmsUnavailable):
        return SmsIsUnavailable(retry_after_seconds=error.retry_after_seconds)
    if isinstance(error, outside.SmsRefused) and error.code == "number_blocked":
        return PhoneRefused()
    log.error("SMS refused", extra={"reason": str(error)})
    return SmsIsUnavailable(retry_after_seconds=CONFIGURATION_RETRY_SECONDS)


def build_sms(settings: Settings) -> SmsGateway:
    """The gateway of one process; no request is made yet."""
    if settings.sms_url is None or settings.sms_secret is None:
        return SmsGateway(None)
    return SmsGateway(
        HttpSmsProvider(
            base_url=settings.sms_url.removesuffix(SEND_PATH), key_id=settings.sms_key_id,
            key=settings.sms_secret.encode(),
        )
    )
