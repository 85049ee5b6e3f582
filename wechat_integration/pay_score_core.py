"""wechatpayv3 with our transport and our checks; loaded when the first client is made."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core
from wechatpayv3.type import RequestType
from wechatpayv3.utils import build_authorization, load_public_key, rsa_verify

from wechat_integration.pay_score import (
    PayScoreAccount,
    PayScoreAnswerForged,
    PayScoreUnavailable,
    signed_headers,
)

TIMEOUT: Final = httpx.Timeout(3.0, connect=1.0)
TOTAL_SECONDS: Final = 5.0  # of an answer that comes in drops
ANSWER_MAX_BYTES: Final = 1_000_000
FILE_SECONDS: Final = 30.0
FILE_MAX_BYTES: Final = 20_000_000  # packed


def open_pay(account: PayScoreAccount) -> tuple[WeChatPay, GuardedCore]:
    """The library's client for an account, and the core that we put into it."""
    pay = WeChatPay(
        wechatpay_type=WeChatPayType.MINIPROG, mchid=account.merchant_id,
        private_key=account.private_key, cert_serial_no=account.certificate_serial,
        appid=account.app_id, apiv3_key=account.api_v3_key, notify_url=account.notify_url,
        public_key=account.wechat_public_key, public_key_id=account.wechat_key_id,
    )  # fmt: skip
    core = pay._core = GuardedCore(account)  # noqa: SLF001 -- the only way in
    return pay, core


class GuardedCore(Core):
    """wechatpayv3's core with our transport and our checks."""

    def __init__(self, account: PayScoreAccount) -> None:
        super().__init__(
            mchid=account.merchant_id, cert_serial_no=account.certificate_serial,
            private_key=account.private_key, apiv3_key=account.api_v3_key,
            public_key=account.wechat_public_key, public_key_id=account.wechat_key_id,
        )  # fmt: skip
        self._account = account
        keys = {account.wechat_key_id: account.wechat_public_key, **account.more_wechat_keys}
        self._wechat_keys = {serial: load_public_key(pem) for serial, pem in keys.items()}
        self.http = httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False)

    def request(
        self, path: str, method: Any = RequestType.GET, data: object = None, **_: object
    ) -> tuple[int, str]:
        """Send one signed request; the status and the text of an answer that is signed too."""
        target = _mended(path)
        body = json.dumps(data) if data else ""
        headers = self._headers(method.value, target, body)
        answer, content = self._exchange(
            method.value, target, body, headers, (ANSWER_MAX_BYTES, TOTAL_SECONDS)
        )
        text = content.decode(errors="replace")
        if answer.is_success and not self._verify_signature(answer.headers, text):
            raise PayScoreAnswerForged("signature")
        return answer.status_code, text

    def download(self, url: str) -> bytes:
        """A file that a signed answer named, asked for with our signature; nothing signs it.

        Only WeChat Pay's own address is asked: nobody else is shown what we sign.
        """
        target = url.removeprefix(self._account.base_url)
        if target == url or not target.startswith("/"):
            raise PayScoreAnswerForged("address")
        answer, content = self._exchange(
            "GET", target, "", self._headers("GET", target, ""), (FILE_MAX_BYTES, FILE_SECONDS)
        )
        if not answer.is_success:
            raise PayScoreUnavailable(f"http_{answer.status_code}")
        return content

    def _headers(self, method: str, target: str, body: str) -> dict[str, str]:
        return {
            "Content-Type": "application/json", "Accept": "application/json",
            "Accept-Encoding": "identity", "Wechatpay-Serial": self._account.wechat_key_id,
            "Authorization": build_authorization(
                target, method, self._account.merchant_id, self._account.certificate_serial,
                self._private_key, data=body,
            ),
        }  # fmt: skip

    def _exchange(
        self, method: str, target: str, body: str, headers: dict[str, str],
        most: tuple[int, float],
    ) -> tuple[httpx.Response, bytes]:
        try:
            with self.http.stream(
                method, self._account.base_url + target, content=body, headers=headers
            ) as answer:
                return answer, _bounded(answer, *most)
        except httpx.HTTPError as error:
            raise PayScoreUnavailable(type(error).__name__) from None

    def knows(self, serial: str) -> bool:
        """Whether we hold the key of this serial."""
        return serial in self._wechat_keys

    def _verify_signature(self, headers: Mapping[str, str], body: str) -> bool:
        """By the keys that we hold: another serial would make the library ask for more."""
        signed = signed_headers(headers)
        key = self._wechat_keys.get(signed["Wechatpay-Serial"])
        return key is not None and bool(rsa_verify(
            signed["Wechatpay-Timestamp"], signed["Wechatpay-Nonce"], body,
            signed["Wechatpay-Signature"], key,
        ))


def _mended(path: str) -> str:
    """Two of the library's paths lack a slash or the version."""
    rooted = path if path.startswith("/") else f"/{path}"
    return rooted if rooted.startswith("/v3/") else f"/v3{rooted}"


def _bounded(answer: httpx.Response, most_bytes: int, seconds: float) -> bytes:
    read, until = bytearray(), time.monotonic() + seconds
    for piece in answer.iter_raw():
        if time.monotonic() > until:
            raise PayScoreUnavailable("slow")
        read += piece
        if len(read) > most_bytes:
            raise PayScoreAnswerForged("size")
    return bytes(read)
