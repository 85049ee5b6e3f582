"""Signed requests (RFC 9421, hmac-sha256) with a digest of their body (RFC 9530).

A signature must cover the method, the path, the query, and of a request with a body its type and
digest; it names its key, its time and a nonce.  The signature is verified before the body is read;
the body is hashed while it is read, and a body of another digest ends the reading, so that nothing
that follows has happened.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import RawIOBase
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import quote
from uuid import UUID

import http_sf
from flask import Flask, Request, current_app
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    VerifyResult,
)
from http_message_signatures.algorithms import HMAC_SHA256

from app.kernel.errors import Unauthenticated

HEADER = "Signature-Input"
NONCE_MIN_CHARS, NONCE_MAX_CHARS = 16, 128
HEADERS_MAX_CHARS = 4096
ALWAYS_COVERED = frozenset({'"@method"', '"@path"', '"@query"'})
COVERED_WITH_BODY = frozenset({'"content-type"', '"content-digest"'})
_DIGEST = "sha-256"


class SignatureUnreadable(Unauthenticated):
    """The signature's headers cannot be read, or leave out what must be covered or said."""

    code: ClassVar[str] = "signature_unreadable"
    title: ClassVar[str] = "The signature cannot be read or does not cover enough"
    advice: ClassVar[str] = "请求签名不完整或无法识别，请按接口文档检查签名内容。"


class SigningKeyUnknown(Unauthenticated):
    """There is no such key, or it is from before requests were signed."""

    code: ClassVar[str] = "signing_key_unknown"
    title: ClassVar[str] = "There is no such signing key"
    advice: ClassVar[str] = "签名所用的接口凭证不存在，请联系平台管理员。"


class SignatureMismatch(Unauthenticated):
    """The signature is not that of this request under this key."""

    code: ClassVar[str] = "signature_mismatch"
    title: ClassVar[str] = "The signature does not fit the request"
    advice: ClassVar[str] = "请求签名与内容不符，请检查凭证和签名程序。"


class SigningKeyRetired(Unauthenticated):
    """The key has ended, or its source is disabled."""

    code: ClassVar[str] = "signing_key_retired"
    title: ClassVar[str] = "The signing key has ended"
    advice: ClassVar[str] = "签名所用的接口凭证已停用，请换用新凭证。"


class SignatureStale(Unauthenticated):
    """The request was signed too long ago, or in the future."""

    code: ClassVar[str] = "signature_stale"
    title: ClassVar[str] = "The request was not signed just now"
    advice: ClassVar[str] = "签名时间与平台时间相差过大，请校准本机时钟后重新签名。"


class SignatureReplayed(Unauthenticated):
    """The nonce was used before: this is a repetition."""

    code: ClassVar[str] = "signature_replayed"
    title: ClassVar[str] = "The signed request was sent before"
    advice: ClassVar[str] = "该签名请求已提交过；如需重试，请使用新的随机数重新签名。"


class ContentDigestMismatch(Unauthenticated):
    """The body is not the one that was signed."""

    code: ClassVar[str] = "content_digest_mismatch"
    title: ClassVar[str] = "The body is not the one that was signed"
    advice: ClassVar[str] = "提交的内容与签名摘要不符，请重新签名并提交。"


_NOT_ADMITTED: dict[str, type[Unauthenticated]] = {
    "retired": SigningKeyRetired, "stale": SignatureStale, "replayed": SignatureReplayed,
}


class SigningKey(Protocol):
    """A key and whose it is."""

    @property
    def source_id(self) -> UUID:
        """The source that signs."""

    @property
    def credential_id(self) -> UUID:
        """The id of the key."""

    @property
    def secret(self) -> bytes:
        """The key."""


class Admit(Protocol):
    """Remembers a good request: `admitted` or what speaks against it."""

    def __call__(
        self, *, credential_id: UUID, nonce: str, signed_at: datetime, expires_at: datetime | None
    ) -> str:
        """Once for each nonce."""


class FindKey(Protocol):
    """Looks a key up, ended ones too."""

    def __call__(self, *, credential_id: UUID) -> SigningKey | None:
        """The key, or None."""




@dataclass(frozen=True)
class SigningKeys:
    """What `factory` gives this module: where keys come from, and who remembers nonces."""

    find: FindKey
    admit: Admit


def configure_signatures(app: Flask, keys: SigningKeys) -> None:
    """Let sources sign requests to this application."""
    app.extensions["card_signing_keys"] = keys


@dataclass(frozen=True)
class SignedBy:
    """Who signed the request."""

    source_id: UUID
    credential_id: UUID
    nonce: str


def verify_request(request: Request) -> SignedBy:
    """Who signed this request; one of the refusals above otherwise.

    A digest of the body is compared when the body has been read to its end.
    """
    keys = cast("SigningKeys", current_app.extensions["card_signing_keys"])
    found = _Resolver(keys.find)
    verified = _verified(request, found)
    assert found.key is not None
    said = _said(verified, has_body=_has_body(request))
    outcome = keys.admit(
        credential_id=found.key.credential_id, nonce=said.nonce, signed_at=said.created_at,
        expires_at=said.expires_at,
    )  # fmt: skip
    if outcome in _NOT_ADMITTED:
        raise _NOT_ADMITTED[outcome]
    if said.digest is not None:
        _watch_body(request, said.digest)
    return SignedBy(found.key.source_id, found.key.credential_id, said.nonce)


class _Resolver(HTTPSignatureKeyResolver):
    """Looks the key up and remembers it; the library turns every exception into its own."""

    def __init__(self, find: FindKey) -> None:
        self._find = find
        self.asked = False
        self.key: SigningKey | None = None

    def resolve_public_key(self, key_id: str) -> bytes | None:
        self.asked = True
        try:
            self.key = self._find(credential_id=UUID(key_id))
        except ValueError:
            return None
        return self.key.secret if self.key else None


class _Verifier(HTTPMessageVerifier):
    """Without the process's clock: the database's decides."""

    def validate_created_and_expires(self, *_: Any, **__: Any) -> None:
        """Nothing here."""


@dataclass(frozen=True)
class _Message:
    """The request as it will be acted upon, in the library's terms."""

    method: str
    url: str
    headers: Any

    @classmethod
    def of(cls, request: Request) -> _Message:
        query = request.query_string.decode("latin-1")
        path = quote(request.path, safe="/-._~!$&'()*+,;=:@")
        target = f"{path}?{query}" if query else path
        return cls(request.method, f"{request.scheme}://{request.host}{target}", request.headers)


@dataclass(frozen=True)
class _Said:
    nonce: str
    created_at: datetime
    expires_at: datetime | None
    digest: bytes | None


def _verified(request: Request, found: _Resolver) -> VerifyResult:
    sizes = (len(request.headers.get(name, "")) for name in (HEADER, "Signature"))
    if max(sizes) > HEADERS_MAX_CHARS:
        raise SignatureUnreadable
    verifier = _Verifier(signature_algorithm=HMAC_SHA256, key_resolver=found)
    try:
        (result,) = verifier.verify(_Message.of(request), max_age=None)
    except InvalidSignature as error:
        if not found.asked:
            raise SignatureUnreadable from error
        raise (SignatureMismatch if found.key else SigningKeyUnknown) from error
    return result


def _said(verified: VerifyResult, *, has_body: bool) -> _Said:
    needed = ALWAYS_COVERED | COVERED_WITH_BODY if has_body else ALWAYS_COVERED
    missing = needed - verified.covered_components.keys()
    if missing:
        raise SignatureUnreadable(missing=sorted(missing))
    nonce = verified.nonce or ""
    if not NONCE_MIN_CHARS <= len(nonce) <= NONCE_MAX_CHARS:
        raise SignatureUnreadable(missing=["nonce"])
    created_at = _moment(verified, "created")
    if created_at is None:
        raise SignatureUnreadable(missing=["created"])
    digest = verified.covered_components.get('"content-digest"')
    return _Said(
        nonce, created_at, _moment(verified, "expires"), None if digest is None else _sha256(digest)
    )


def _moment(verified: VerifyResult, name: str) -> datetime | None:
    seconds = verified.parameters.get(name)
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureUnreadable(missing=[name]) from error


def _sha256(field: str) -> bytes:
    try:
        members = cast("dict[str, tuple[Any, Any]]", http_sf.parse(
            field.encode(), tltype="dictionary"
        ))
        digest = members[_DIGEST][0]
    except (ValueError, KeyError, TypeError) as error:
        raise SignatureUnreadable(missing=["content-digest"]) from error
    if not isinstance(digest, bytes):
        raise SignatureUnreadable(missing=["content-digest"])
    return digest


def _has_body(request: Request) -> bool:
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def _watch_body(request: Request, digest: bytes) -> None:
    body = HashedBody(
        request.environ["wsgi.input"], length=request.content_length, digest=digest
    )
    if not _has_body(request):
        body.compare()
    request.environ["wsgi.input"] = body


class HashedBody(RawIOBase):
    """A body that is hashed while it is read; its end is its end only if the digest is right."""

    def __init__(self, body: Any, *, length: int | None, digest: bytes) -> None:
        self._body = body
        self._left = length
        self._expected = digest
        self._digest = sha256()

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; ContentDigestMismatch with the last ones of another body."""
        chunk = bytes(self._body.read(size))
        self._digest.update(chunk)
        if self._left is not None:
            self._left -= len(chunk)
        if self._left == 0 or (not chunk and size):
            self.compare()
        return chunk

    def readinto(self, buffer: Any) -> int:
        """For readers that bring their own memory."""
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def readline(self, size: int | None = -1) -> bytes:
        """No body is read by lines; if one is, it is read whole."""
        return self.read(-1 if size is None else size)

    def compare(self) -> None:
        """ContentDigestMismatch when what was read is not what was signed."""
        if not hmac.compare_digest(self._digest.digest(), self._expected):
            raise ContentDigestMismatch
