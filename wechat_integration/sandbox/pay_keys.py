"""The sandbox's merchant account at WeChat Pay: two key pairs and a secret, made when needed."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True, slots=True, kw_only=True)
class PayKeys:
    """What the merchant and WeChat know of each other."""

    merchant_id: str = "1900000001"
    service_id: str = "00004000000000000001"
    certificate_serial: str = "444F4864EA9B34415A1B2C3D4E5F60718293A4B5"
    wechat_key_id: str = "PUB_KEY_ID_0119000000012026112100000000000001"
    api_v3_key: str = field(repr=False)
    merchant_key: rsa.RSAPrivateKey = field(repr=False)
    wechat_key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def merchant_private_pem(self) -> str:
        """The merchant's private key."""
        return _private_pem(self.merchant_key)

    @property
    def wechat_public_pem(self) -> str:
        """WeChat's public key."""
        return self.wechat_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def account(self, *, app_id: str, notify_url: str, base_url: str) -> dict[str, str]:
        """The facts of the merchant's account file (`WECHAT_PAY_FILE`)."""
        return {
            "app_id": app_id, "merchant_id": self.merchant_id, "service_id": self.service_id,
            "certificate_serial": self.certificate_serial,
            "private_key": self.merchant_private_pem, "api_v3_key": self.api_v3_key,
            "wechat_key_id": self.wechat_key_id, "wechat_public_key": self.wechat_public_pem,
            "notify_url": notify_url, "base_url": base_url,
        }  # fmt: skip


@lru_cache(maxsize=1)
def made_up_pay_keys() -> PayKeys:
    """The keys of this process."""
    return PayKeys(
        api_v3_key=secrets.token_hex(16),
        merchant_key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
        wechat_key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
    )


def kept_pay_keys(path: Path) -> PayKeys:
    """The keys in this file, made once: the sandbox and its merchant are two processes."""
    if not path.exists():
        made = made_up_pay_keys()
        told = {
            "api_v3_key": made.api_v3_key, "merchant_key": made.merchant_private_pem,
            "wechat_key": _private_pem(made.wechat_key),
        }  # fmt: skip
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(told, file)
    kept = json.loads(path.read_text(encoding="utf-8"))
    return PayKeys(
        api_v3_key=kept["api_v3_key"], merchant_key=_private_key(kept["merchant_key"]),
        wechat_key=_private_key(kept["wechat_key"]),
    )


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()  # fmt: skip


def _private_key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey), "made here"
    return key
