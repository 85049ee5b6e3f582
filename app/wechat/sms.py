"""Sending one-time PINs, speaking our errors; every call is over within three seconds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.config import Settings
from app.kernel.database import durable
from app.kernel.errors import Conflict, Unavailable
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
        except outside.SmsUnavailable as error:
            raise SmsIsUnavailable(retry_after_seconds=error.retry_after_seconds) from None
        except outside.SmsError as error:
            if isinstance(error, outside.SmsRefused) and error.code == "number_blocked":
                raise PhoneRefused from None
            log.error("SMS refused", extra={"reason": str(error)})  # noqa: TRY400
            raise SmsIsUnavailable(retry_after_seconds=CONFIGURATION_RETRY_SECONDS) from None


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
