"""What can go wrong when the outside services are asked, as types a caller can switch on.

No message, argument or attribute holds a code, a token, a secret, an openid, a phone number or
text that the other side sent; ``__cause__`` and ``__context__`` are empty for the same reason
(an HTTP library's exception carries the whole request). The numbers are WeChat's own error
codes: https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/ (each interface's page).
"""

from __future__ import annotations

DEFAULT_RETRY_AFTER_SECONDS = 3
RATE_WINDOW_SECONDS = 60
DAILY_QUOTA_RETRY_SECONDS = 3600

ERRCODE_BUSY = -1
ERRCODE_OK = 0
ERRCODE_CODE_INVALID = 40029
ERRCODE_CODE_USED = 40163
ERRCODE_USER_BLOCKED = 40226
ERRCODE_DAILY_QUOTA = 45009
ERRCODE_RATE_LIMITED = 45011
ERRCODES_TOKEN_INVALID = frozenset({40001, 40014, 42001})


class WeChatError(Exception):
    """Any failure of a call to WeChat; ``errcode`` is WeChat's number, or None without one."""

    def __init__(self, message: str, *, errcode: int | None = None) -> None:
        super().__init__(message)
        self.errcode = errcode


class WeChatUnavailable(WeChatError):
    """WeChat did not answer in time, could not be reached, failed (5xx) or was busy (-1).

    ``reason`` is a short stable word for logs and metrics. ``retry_after_seconds`` is how long
    a client should wait. ``outcome_unknown`` is true when the request may have taken effect
    although no answer came: a one-time code may be spent, a message may have been delivered.
    """

    def __init__(
        self,
        *,
        reason: str,
        retry_after_seconds: int = DEFAULT_RETRY_AFTER_SECONDS,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(f"WeChat is unavailable: {reason}")
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.outcome_unknown = outcome_unknown


class WeChatCodeInvalid(WeChatError):
    """The one-time code is unknown, malformed or older than five minutes (40029)."""

    def __init__(self) -> None:
        super().__init__("WeChat does not know this code", errcode=ERRCODE_CODE_INVALID)


class WeChatCodeUsed(WeChatError):
    """The one-time login code was exchanged before (40163)."""

    def __init__(self) -> None:
        super().__init__("this WeChat code was used before", errcode=ERRCODE_CODE_USED)


class WeChatRateLimited(WeChatError):
    """Too many calls: 100 a minute for one user (45011), the daily quota (45009), or HTTP 429."""

    def __init__(self, *, errcode: int | None, retry_after_seconds: int) -> None:
        super().__init__("WeChat limits the rate of calls", errcode=errcode)
        self.retry_after_seconds = retry_after_seconds


class WeChatUserBlocked(WeChatError):
    """WeChat holds this user for high-risk and refuses the sign-in (40226)."""

    def __init__(self) -> None:
        super().__init__("WeChat blocks this user", errcode=ERRCODE_USER_BLOCKED)


class WeChatTokenInvalid(WeChatError):
    """The access token was refused, and so was a renewed one (40001, 40014, 42001)."""

    def __init__(self, *, errcode: int) -> None:
        super().__init__("WeChat refuses the access token", errcode=errcode)


class WeChatRefused(WeChatError):
    """WeChat refused for another reason; ``errcode`` is its number (43101, 47003, …).

    Its text is dropped, as it may quote what was sent.
    """

    def __init__(self, *, errcode: int) -> None:
        super().__init__(f"WeChat refused with errcode {errcode}", errcode=errcode)


class WeChatPhoneNotMainland(WeChatError):
    """The user's phone number is not a mainland mobile number (+86): not served here."""

    def __init__(self) -> None:
        super().__init__("the phone number is not a mainland mobile number")


class WeChatAnswerInvalid(WeChatError):
    """The answer was too large, not JSON, encoded unasked, a redirect, or lacked a field.

    ``outcome_unknown`` is true when the request may have taken effect, as in WeChatUnavailable.
    """

    def __init__(self, *, reason: str, outcome_unknown: bool = True) -> None:
        super().__init__(f"WeChat's answer is not usable: {reason}")
        self.reason = reason
        self.outcome_unknown = outcome_unknown


class RealNameError(Exception):
    """Any failure of a real-name check; none of them says anything about the person."""


class RealNameUnavailable(RealNameError):
    """The real-name service could not be reached, was too slow, limited us or failed (5xx)."""

    def __init__(
        self, *, reason: str, retry_after_seconds: int = DEFAULT_RETRY_AFTER_SECONDS
    ) -> None:
        super().__init__(f"the real-name service is unavailable: {reason}")
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class RealNameRefused(RealNameError):
    """The service refused our request itself (signature, clock, replay, malformed).

    ``code`` is one of the service's stable words, or ``other``.
    """

    def __init__(self, *, code: str) -> None:
        super().__init__(f"the real-name service refused the request: {code}")
        self.code = code


class RealNameAnswerInvalid(RealNameError):
    """The answer was too large, not JSON, or held none of the three results."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the real-name service's answer is not usable: {reason}")
        self.reason = reason


class SmsError(Exception):
    """Any failure to send a text message; none of them says to whom or what."""


class SmsUnavailable(SmsError):
    """The service could not be reached, was too slow, limited us or failed (5xx)."""

    def __init__(
        self, *, reason: str, retry_after_seconds: int = DEFAULT_RETRY_AFTER_SECONDS
    ) -> None:
        super().__init__(f"the SMS service is unavailable: {reason}")
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class SmsRefused(SmsError):
    """The service refused the request or the number; ``code`` is a stable word, or ``other``."""

    def __init__(self, *, code: str) -> None:
        super().__init__(f"the SMS service refused the message: {code}")
        self.code = code


class SmsAnswerInvalid(SmsError):
    """The answer was too large or said nothing that we know."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the SMS service's answer is not usable: {reason}")
        self.reason = reason


def raise_for_errcode(errcode: int) -> None:
    """Raise the typed error of WeChat's number; return when it is 0 (success)."""
    if errcode == ERRCODE_OK:
        return
    raise _error_of(errcode)


def _error_of(errcode: int) -> WeChatError:
    if errcode in ERRCODES_TOKEN_INVALID:
        return WeChatTokenInvalid(errcode=errcode)
    wait_seconds = _RETRY_AFTER_SECONDS.get(errcode)
    if wait_seconds is not None:
        return WeChatRateLimited(errcode=errcode, retry_after_seconds=wait_seconds)
    plain = _PLAIN_ERRORS.get(errcode)
    return WeChatRefused(errcode=errcode) if plain is None else plain()


_RETRY_AFTER_SECONDS = {
    ERRCODE_RATE_LIMITED: RATE_WINDOW_SECONDS,
    ERRCODE_DAILY_QUOTA: DAILY_QUOTA_RETRY_SECONDS,
}
_PLAIN_ERRORS: dict[int, type[WeChatCodeInvalid | WeChatCodeUsed | WeChatUserBlocked]] = {
    ERRCODE_CODE_INVALID: WeChatCodeInvalid,
    ERRCODE_CODE_USED: WeChatCodeUsed,
    ERRCODE_USER_BLOCKED: WeChatUserBlocked,
}
