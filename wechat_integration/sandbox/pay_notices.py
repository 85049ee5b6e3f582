"""Sending notices as WeChat Pay does: signed, sealed, again until they are taken, and twice."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from wechat_integration.sandbox.pay_keys import PayKeys

ANSWER_SECONDS_MAX = 5.0  # what takes longer counts as not taken


def signed_headers(keys: PayKeys, body: str, *, at_seconds: float) -> dict[str, str]:
    """The four headers of everything that WeChat Pay says."""
    stamp, nonce = str(int(at_seconds)), secrets.token_hex(16)
    signature = keys.wechat_key.sign(
        f"{stamp}\n{nonce}\n{body}\n".encode(), PKCS1v15(), SHA256()
    )
    return {
        "Wechatpay-Timestamp": stamp, "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
        "Wechatpay-Serial": keys.wechat_key_id,
    }  # fmt: skip


def notice_body(keys: PayKeys, event_type: str, resource: dict[str, Any]) -> str:
    """A notice under an id of its own, its content sealed."""
    nonce, bound = secrets.token_hex(6), "payscore"
    sealed = AESGCM(keys.api_v3_key.encode()).encrypt(
        nonce.encode(), json.dumps(resource).encode(), bound.encode()
    )
    return json.dumps({
        "id": secrets.token_hex(16), "event_type": event_type,
        "resource_type": "encrypt-resource", "create_time": "2026-01-01T00:00:00+08:00",
        "resource": {
            "algorithm": "AEAD_AES_256_GCM", "original_type": "payscore", "nonce": nonce,
            "associated_data": bound, "ciphertext": base64.b64encode(sealed).decode(),
        },
    })  # fmt: skip


@dataclass
class NoticeSender:
    """Sends each notice until it is taken, after these waits, and then this many times more."""

    keys: PayKeys
    waits_seconds: tuple[float, ...]
    more_times: int = 0
    answers: list[int] = field(default_factory=list)  # statuses, 0 for none; in order
    _pause: threading.Event = field(default_factory=threading.Event)
    _busy: list[threading.Thread] = field(default_factory=list)

    def send(self, *, url: str, body: str) -> None:
        """Begin to send."""
        thread = threading.Thread(target=self._keep_sending, args=(url, body), daemon=True)
        self._busy.append(thread)
        thread.start()

    def wait(self) -> None:
        """Return when everything was taken or given up."""
        for thread in list(self._busy):
            thread.join()

    def _keep_sending(self, url: str, body: str) -> None:
        left = self.more_times
        for wait_seconds in (0.0, *self.waits_seconds):
            self._pause.wait(wait_seconds)
            taken = self._post(url, body) in {200, 204}
            if taken and left == 0:
                return
            left -= taken

    def _post(self, url: str, body: str) -> int:
        headers = signed_headers(self.keys, body, at_seconds=time.time())
        try:
            status = httpx.post(
                url, content=body, timeout=ANSWER_SECONDS_MAX, trust_env=False,
                headers={**headers, "Content-Type": "application/json"},
            ).status_code  # fmt: skip
        except httpx.HTTPError:
            status = 0
        self.answers.append(status)
        return status
