"""The sandbox's merchant account at WeChat Pay: two key pairs and a secret, made when needed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import lru_cache

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
        return self.merchant_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()  # fmt: skip

    @property
    def wechat_public_pem(self) -> str:
        """WeChat's public key."""
        return self.wechat_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()


@lru_cache(maxsize=1)
def made_up_pay_keys() -> PayKeys:
    """The keys of this process."""
    return PayKeys(
        api_v3_key=secrets.token_hex(16),
        merchant_key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
        wechat_key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
    )
