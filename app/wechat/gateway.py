"""The one door to the services outside: WeChat and the real-name check.

Their errors become ours here; a caller is told to come back within seconds, never left waiting:
every call is over within three seconds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config import Settings
from app.kernel.database import durable
from app.kernel.errors import Conflict, Invalid, NotAllowed, TooMany, Unavailable
from wechat_integration import errors as outside
from wechat_integration.client import MiniProgramClient
from wechat_integration.pay_score import PayScoreAccount, PayScoreClient
from wechat_integration.realname import (
    CHECK_PATH,
    HttpRealNameProvider,
    RealNameProvider,
    RealNameResult,
)
from wechat_integration.tokens import TokenStore

log = logging.getLogger(__name__)

REDIS_SECONDS_MAX = 0.1
CONFIGURATION_RETRY_SECONDS = 60  # an operator has to act first


class WeChatIsUnavailable(Unavailable):
    """WeChat does not answer, or refuses our own credentials."""

    code: ClassVar[str] = "wechat_unavailable"
    title: ClassVar[str] = "WeChat does not answer"
    advice: ClassVar[str] = "微信服务暂时无法使用，请稍后再试；已登录的用户不受影响。"


class WeChatCodeIsInvalid(Invalid):
    """WeChat does not know the code, or it is older than five minutes."""

    code: ClassVar[str] = "wechat_code_invalid"
    title: ClassVar[str] = "WeChat does not know this code"
    advice: ClassVar[str] = "微信授权已过期，请重新操作。"


class WeChatCodeWasUsed(Conflict):
    """The code was exchanged before; each is good for one use."""

    code: ClassVar[str] = "wechat_code_used"
    title: ClassVar[str] = "The WeChat code was used before"
    advice: ClassVar[str] = "微信授权已使用过，请重新进入小程序。"


class WeChatUserIsBlocked(NotAllowed):
    """WeChat holds the user for high-risk."""

    code: ClassVar[str] = "wechat_user_blocked"
    title: ClassVar[str] = "WeChat blocks this user"
    advice: ClassVar[str] = "微信提示该账号存在风险，请在微信内处理，或到服务窗口办理。"


class WeChatLimitsUs(TooMany):
    """WeChat limits how often this user, or the programme, may ask."""

    code: ClassVar[str] = "wechat_rate_limited"
    title: ClassVar[str] = "WeChat limits the rate of calls"
    advice: ClassVar[str] = "操作过于频繁，请稍后再试。"


class PhoneNotMainland(Invalid):
    """The phone number in WeChat is not a mainland one."""

    code: ClassVar[str] = "phone_not_mainland"
    title: ClassVar[str] = "The phone number is not a mainland number"
    advice: ClassVar[str] = "请使用中国大陆手机号码。"


class MessageRefused(Conflict):
    """WeChat refuses a message for good: the user did not accept it, or it does not fit."""

    code: ClassVar[str] = "wechat_message_refused"
    title: ClassVar[str] = "WeChat refuses the message"
    advice: ClassVar[str] = "用户未订阅该消息，未能发送。"


class RealNameMismatch(Invalid):
    """Name and identity number do not belong together, or the number is not registered.

    The two are not told apart, so that nobody can find out which numbers exist.
    """

    code: ClassVar[str] = "real_name_mismatch"
    title: ClassVar[str] = "Name and identity number do not belong together"
    advice: ClassVar[str] = "姓名与身份证号码不一致，请核对后重试。"


class RealNameIsUnavailable(Unavailable):
    """The real-name service does not answer, or refuses our own credentials."""

    code: ClassVar[str] = "real_name_unavailable"
    title: ClassVar[str] = "The real-name service does not answer"
    advice: ClassVar[str] = "实名核验服务暂时无法使用，请稍后再试。"


@dataclass(frozen=True)
class WeChatGateway:
    """The services outside, speaking our errors."""

    program: MiniProgramClient
    real_name: RealNameProvider

    def exchange_code(self, *, code: str) -> str:
        """The openid behind a sign-in code; the session key stays outside."""
        durable()
        with _our_errors():
            return self.program.exchange_code(code=code).openid

    def phone_number(self, *, code: str) -> str:
        """Eleven digits behind a code of the phone button."""
        durable()
        with _our_errors():
            return self.program.phone_number(code=code)

    def check_real_name(self, *, name: str, id_number: str) -> None:
        """Return when name and number belong to one person; RealNameMismatch otherwise."""
        durable()
        with _our_errors():
            result = self.real_name.check(name=name, id_number=id_number)
        if result is not RealNameResult.MATCH:
            raise RealNameMismatch

    def send_message(
        self, *, openid: str, template_id: str, page: str | None, data: Mapping[str, str]
    ) -> None:
        """Send one subscribe message; MessageRefused when trying again is of no use."""
        durable()
        with _our_errors():
            try:
                self.program.send_subscribe_message(
                    openid=openid, template_id=template_id, page=page, data=data
                )
            except outside.WeChatRefused as error:
                log.warning("WeChat refuses a message", extra={"errcode": error.errcode})
                raise MessageRefused from None


@contextmanager
def _our_errors() -> Iterator[None]:
    """Turn errors from outside into ours; causes are cut off, they are of no use to anybody."""
    try:
        yield
    except (outside.WeChatUnavailable, outside.RealNameUnavailable) as error:
        wait = error.retry_after_seconds
        if isinstance(error, outside.WeChatUnavailable):
            raise WeChatIsUnavailable(retry_after_seconds=wait) from None
        raise RealNameIsUnavailable(retry_after_seconds=wait) from None
    except outside.WeChatRateLimited as error:
        raise WeChatLimitsUs(retry_after_seconds=error.retry_after_seconds) from None
    except (outside.WeChatCodeInvalid, outside.WeChatCodeUsed, outside.WeChatUserBlocked,
            outside.WeChatPhoneNotMainland) as error:
        raise _PLAIN[type(error)] from None
    except outside.WeChatError as error:
        log.error("WeChat refuses us", extra={"errcode": error.errcode})  # noqa: TRY400
        raise WeChatIsUnavailable(retry_after_seconds=CONFIGURATION_RETRY_SECONDS) from None
    except outside.RealNameError as error:
        log.error("real names refused", extra={"reason": str(error)})  # noqa: TRY400
        raise RealNameIsUnavailable(retry_after_seconds=CONFIGURATION_RETRY_SECONDS) from None


_PLAIN: dict[type[Exception], type[Exception]] = {
    outside.WeChatCodeInvalid: WeChatCodeIsInvalid,
    outside.WeChatCodeUsed: WeChatCodeWasUsed,
    outside.WeChatUserBlocked: WeChatUserIsBlocked,
    outside.WeChatPhoneNotMainland: PhoneNotMainland,
}


class RedisTokenStore:
    """Shares WeChat's access token between processes; gives up after a tenth of a second."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=REDIS_SECONDS_MAX,
            socket_timeout=REDIS_SECONDS_MAX,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    def get(self, key: str, /) -> str | None:
        """The value kept under the key, or None."""
        value = self._redis.get(key)
        return value if isinstance(value, str) else None

    def set(self, key: str, value: str, /, *, ttl_seconds: int) -> None:
        """Keep the value for that many seconds."""
        self._redis.set(key, value, ex=ttl_seconds)


def build_pay_score(settings: Settings) -> PayScoreClient | None:
    """The account at WeChat Pay, when there is one; no request is made."""
    if settings.wechat_pay_file is None:
        return None
    facts = json.loads(settings.wechat_pay_file.read_text(encoding="utf-8"))
    return PayScoreClient(account=PayScoreAccount(**facts))


def build_gateway(settings: Settings) -> WeChatGateway:
    """The gateway of one process; no request is made yet."""
    store: TokenStore | None = None
    if settings.redis_url is not None:
        store = RedisTokenStore(settings.redis_url)
    return WeChatGateway(
        program=MiniProgramClient(
            app_id=settings.wechat_app_id,
            app_secret=settings.wechat_app_secret,
            base_url=settings.wechat_base_url,
            token_store=store,
        ),
        real_name=HttpRealNameProvider(
            base_url=settings.real_name_url.removesuffix(CHECK_PATH),
            key_id=settings.real_name_key_id,
            key=settings.real_name_secret.encode(),
        ),
    )
