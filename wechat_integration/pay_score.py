"""WeChat Pay Score (微信支付分), v3: service orders that are paid after, and its notices.

A thin adapter over wechatpayv3, which brings signatures, parameters and decryption.  What it lacks
stands here and in `pay_score_core`: bounded calls without redirects, two paths put right, answers
and notices without a ``Wechatpay-Signature-Type``, the key's serial checked before anything is
fetched, a window for the time of a notice, and errors as types.  Whoever takes notices must
remember their ids: the same one comes several times.  Amounts are in fen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, Final

from wechat_integration.bills import BillLine, BillUnreadable, read_bill, unpack_bill
from wechat_integration.network import Deadline
from wechat_integration.transport import repeated

PAY_API_URL: Final = "https://api.mch.weixin.qq.com"
NOTICE_MAX_BYTES: Final = 64_000
NOTICE_WINDOW_SECONDS: Final = 300
BUSY_CODES: Final = frozenset({
    "SYSTEM_ERROR", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "STATEMENT_CREATING",
})
NO_BILL: Final = "NO_STATEMENT_EXIST"
BILL_SECONDS: Final = 90.0  # for all tries
_SIGNED: Final = (
    "Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial",
)  # fmt: skip
_ALGORITHM: Final = "AEAD_AES_256_GCM"


class PayScoreError(Exception):
    """Any failure with Pay Score; nothing in it tells of a person."""


class PayScoreUnavailable(PayScoreError):
    """No answer in time, a failure of theirs, or too many calls: try again later."""


class PayScoreRefused(PayScoreError):
    """Pay Score refuses for good; `code` is its own word, say INVALID_REQUEST."""

    def __init__(self, *, status: int, code: str) -> None:
        super().__init__(f"Pay Score refuses: {status} {code}")
        self.status = status
        self.code = code


class PayScoreAnswerForged(PayScoreError):
    """The answer is not signed by WeChat, or is no answer at all."""


class NoticeRefused(PayScoreError):
    """The notice is not WeChat's, not for us, or too old; `reason` is a short word."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the notice is refused: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PayScoreAccount:
    """A merchant's account at WeChat Pay: who signs, with which keys, for which service."""

    app_id: str
    merchant_id: str
    service_id: str
    certificate_serial: str
    private_key: str = field(repr=False)  # ours, PEM
    api_v3_key: str = field(repr=False)  # 32 characters
    wechat_key_id: str
    wechat_public_key: str  # PEM
    # While WeChat changes its key: others that it may sign with, PEM by id.
    more_wechat_keys: Mapping[str, str] = field(default_factory=dict)
    notify_url: str
    base_url: str = PAY_API_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class PayScoreOrder:
    """A service order as WeChat has it."""

    out_order_no: str
    state: str  # CREATED, DOING, DONE, REVOKED, EXPIRED
    state_description: str  # USER_CONFIRM or MCH_COMPLETE while DOING
    total_fen: int | None
    package: str | None = None  # what the mini-program opens so that the user confirms


@dataclass(frozen=True, slots=True, kw_only=True)
class PayScoreNotice:
    """What a notice says; a hint to look, the order itself is asked for."""

    notice_id: str
    event_type: str
    out_order_no: str | None


class PayScoreClient:
    """One merchant's view of Pay Score; make one per process and share it between threads."""

    def __init__(self, *, account: PayScoreAccount) -> None:
        """Prepare the client without any request."""
        # It brings requests and urllib3, which no process without Pay Score needs at its start.
        from wechat_integration.pay_score_core import open_pay  # noqa: PLC0415

        self._account = account
        self._pay, self._core = open_pay(account)

    def create(
        self, *, out_order_no: str, introduction: str, risk_fen: int, openid: str | None = None
    ) -> PayScoreOrder:
        """Create an order; with an openid it needs no confirmation, only the user's permission.

        The same again gives the same order.
        """
        return _order(self._ask(self._pay.payscore_create(
            out_order_no=out_order_no, service_id=self._account.service_id,
            service_introduction=introduction[:20], time_range={"start_time": "OnAccept"},
            risk_fund={"name": "DEPOSIT", "amount": risk_fen},
            need_user_confirm=openid is None, openid=openid,
        )))  # fmt: skip

    def query(self, *, out_order_no: str) -> PayScoreOrder | None:
        """The order as it stands, or None when there is none."""
        try:
            return _order(self._ask(self._pay.payscore_query(
                self._account.service_id, out_order_no=out_order_no
            )))
        except PayScoreRefused as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def cancel(self, *, out_order_no: str, reason: str) -> None:
        """Cancel; again changes nothing.  Refused once it is paid."""
        self._ask(self._pay.payscore_cancel(out_order_no, self._account.service_id, reason[:30]))

    def complete(self, *, out_order_no: str, name: str, amount_fen: int) -> None:
        """Say what is to be paid; WeChat debits it.  Not repeatable: ask for the order first."""
        self._ask(self._pay.payscore_complete(
            out_order_no, self._account.service_id, [{"name": name[:20], "amount": amount_fen}],
            amount_fen,
        ))  # fmt: skip

    def modify(self, *, out_order_no: str, name: str, amount_fen: int, reason: str) -> None:
        """Lower what is to be paid."""
        self._ask(self._pay.payscore_modify(
            out_order_no, self._account.service_id, [{"name": name[:20], "amount": amount_fen}],
            amount_fen, reason[:50],
        ))  # fmt: skip

    def pay(self, *, out_order_no: str) -> None:
        """Ask WeChat to try the debit again."""
        self._ask(self._pay.payscore_pay(out_order_no, self._account.service_id))

    def sync_paid(self, *, out_order_no: str, paid_at: datetime) -> None:
        """Say that it was paid elsewhere."""
        self._ask(self._pay.payscore_sync(
            out_order_no, self._account.service_id, detail={"paid_time": f"{paid_at:%Y%m%d%H%M%S}"}
        ))

    def ask_permission(self, *, authorization_code: str) -> str:
        """What the mini-program hands to WeChat so that the user may permit orders."""
        answer = self._ask(self._pay.payscore_permission(
            self._account.service_id, authorization_code
        ))
        return str(answer.get("apply_permissions_token", ""))

    def has_permission(self, *, openid: str) -> bool:
        """Whether the user permits orders without confirming each."""
        answer = self._ask(self._pay.payscore_permission_query(
            self._account.service_id, openid=openid
        ))
        return answer.get("authorization_state") == "AVAILABLE"

    def end_permission(
        self, *, reason: str, authorization_code: str | None = None, openid: str | None = None
    ) -> None:
        """The user takes the permission back; it goes by its code, or by the user."""
        self._ask(self._pay.payscore_permission_terminate(
            self._account.service_id, reason[:50], authorization_code=authorization_code,
            openid=openid,
        ))  # fmt: skip

    def read_notice(
        self, *, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> PayScoreNotice:
        """What a notice says, when WeChat signed it for us within five minutes.  NoticeRefused."""
        signed = signed_headers(headers)
        stamp = signed["Wechatpay-Timestamp"]
        if not stamp.isdecimal() or len(stamp) > len("9999999999"):
            raise NoticeRefused("timestamp")
        if abs(int(now.timestamp()) - int(stamp)) > NOTICE_WINDOW_SECONDS:
            raise NoticeRefused("stale")
        if not self._core.knows(signed["Wechatpay-Serial"]):
            raise NoticeRefused("serial")
        notice = self._opened(signed, body)
        resource = notice["resource"]
        ours = (self._account.merchant_id, self._account.service_id, self._account.app_id)
        if tuple(resource.get(name) for name in ("mchid", "service_id", "appid")) != ours:
            raise NoticeRefused("foreign")
        number = resource.get("out_order_no")
        return PayScoreNotice(
            notice_id=str(notice["id"]), event_type=str(notice["event_type"]),
            out_order_no=number if isinstance(number, str) else None,
        )

    def download_bill(self, *, on: date) -> tuple[BillLine, ...]:
        """What the account took and gave back on a day in the city; none where nothing moved.

        WeChat makes it until ten in the morning of the next day, and keeps it for three months.
        A file that does not arrive whole is asked for again, at most twice.
        """
        outcome = repeated(
            attempt=lambda: self._try_bill(on),
            may_repeat=lambda outcome: isinstance(outcome, PayScoreError),
            deadline=Deadline.after(seconds=BILL_SECONDS),
        )
        if isinstance(outcome, PayScoreError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Close all connections."""
        self._core.http.close()

    def _opened(self, signed: dict[str, str], body: bytes) -> dict[str, Any]:
        if len(body) > NOTICE_MAX_BYTES:
            raise NoticeRefused("size")
        try:
            outer = json.loads(body)
            algorithm = outer["resource"]["algorithm"]
            named = isinstance(outer["id"], str) and isinstance(outer["event_type"], str)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise NoticeRefused("shape") from None
        if algorithm != _ALGORITHM or not named:
            raise NoticeRefused("shape")
        try:
            notice = self._core.callback(signed, body)
        except (ValueError, TypeError, AttributeError):
            raise NoticeRefused("cipher") from None
        if not isinstance(notice, dict) or not isinstance(notice.get("resource"), dict):
            raise NoticeRefused("signature")
        return notice

    def _try_bill(self, on: date) -> tuple[BillLine, ...] | PayScoreError:
        """Its address is good for minutes: each try asks for a new one."""
        try:
            told = self._ask(self._pay.trade_bill(f"{on:%Y-%m-%d}"))
            if told.get("hash_type") != "SHA1":
                return PayScoreAnswerForged("hash_type")
            packed = self._core.download(str(told.get("download_url")))
            return read_bill(unpack_bill(packed, sha1=str(told.get("hash_value"))))
        except (PayScoreUnavailable, PayScoreAnswerForged) as error:
            return error
        except BillUnreadable as error:
            return PayScoreAnswerForged(f"bill {error}")
        except PayScoreRefused as error:
            if error.code == NO_BILL:
                return ()
            raise

    def _ask(self, answered: tuple[int, str]) -> dict[str, Any]:
        status, text = answered
        try:
            document = json.loads(text) if text else {}
        except ValueError:
            document = None
        if status < HTTPStatus.MULTIPLE_CHOICES:
            if not isinstance(document, dict):
                raise PayScoreAnswerForged("not JSON")
            return document
        code = str(document.get("code", "")) if isinstance(document, dict) else ""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in BUSY_CODES:
            raise PayScoreUnavailable(f"http_{status}")
        raise PayScoreRefused(status=status, code=code)


def signed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The four that WeChat sends, and the type that the library asks for and WeChat omits."""
    lowered = {name.lower(): value for name, value in headers.items()}
    signed = {name: lowered.get(name.lower(), "") for name in _SIGNED}
    return {**signed, "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048"}


def _order(document: dict[str, Any]) -> PayScoreOrder:
    total = document.get("total_amount")
    return PayScoreOrder(
        out_order_no=str(document.get("out_order_no", "")), state=str(document.get("state", "")),
        state_description=str(document.get("state_description") or ""),
        total_fen=total if isinstance(total, int) else None,
        package=str(document["package"]) if "package" in document else None,
    )
