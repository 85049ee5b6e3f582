"""Who calls: bearer tokens, roles and sessions.

flask-jwt-extended makes the tokens and holds their configuration; they are checked once, thinly, by
PyJWT underneath with every claim required, because the extension decodes each token twice.  A token
is only half of the answer: its session must be live.  `factory` gives this module the check, and
what narrows a request to what its caller may see; a
route marked `session_checked_in_statement` makes it in the same SQL statement as its data instead.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache, wraps
from typing import ClassVar, Literal, ParamSpec, TypeVar, cast
from uuid import UUID

import jwt
from flask import Flask, current_app, g, request
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token

from app.kernel.errors import NotAllowed, Unauthenticated
from app.kernel.keys import Key, KeyProvider, KeyPurpose, UnknownKeyError
from app.web import signatures

P = ParamSpec("P")
R = TypeVar("R")

ALGORITHM = "HS256"
ACCESS_LIFE = timedelta(minutes=15)
REFRESH_LIFE = timedelta(days=30)  # absolute: rotation never lengthens it
LEEWAY_SECONDS = 30
TOKEN_MAX_CHARS = 2048
TOKENS_REMEMBERED = 8192  # per process, about 1 KB each
_KEY_ID = re.compile(r"[1-9][0-9]{0,2}")
REQUIRED_CLAIMS = ["exp", "nbf", "iat", "iss", "aud", "jti", "type", "sub", "sid", "role"]
# What PyJWT and the reading of claims raise at texts that are no token of ours.
_NO_TOKEN = (jwt.PyJWTError, UnknownKeyError, ValueError, KeyError, TypeError, RecursionError)


class Role(StrEnum):
    """Who can sign in; a token is good for exactly one role."""

    CITIZEN = "citizen"
    CLERK = "clerk"
    MERCHANT_OWNER = "merchant_owner"
    SOURCE = "source"
    OPERATOR = "operator"


class BadToken(Unauthenticated):
    """The token is missing, malformed, expired, forged, or for something else."""

    code: ClassVar[str] = "unauthenticated"
    title: ClassVar[str] = "Sign-in is needed"
    advice: ClassVar[str] = "登录已失效，请重新登录。"


class WrongRole(NotAllowed):
    """The caller's role may not do this."""

    code: ClassVar[str] = "not_allowed"
    title: ClassVar[str] = "Not allowed"
    advice: ClassVar[str] = "无权进行此操作。"


class SignInAgain(NotAllowed):
    """What makes or changes credentials is for whoever has shown theirs lately."""

    code: ClassVar[str] = "sign_in_again"
    title: ClassVar[str] = "This needs a sign-in of the last half hour"
    advice: ClassVar[str] = "该操作涉及凭证，请重新登录（口令和动态码）后半小时内办理。"


@dataclass(frozen=True)
class Caller:
    """Who stands behind the request: `subject_id` is a citizen, staff or source id.

    Of a signed request, `session_id` is the credential and `token_id` the nonce.
    """

    role: Role
    subject_id: UUID
    session_id: UUID
    token_id: str


@dataclass(frozen=True)
class Access:
    """Who may call a route; `roles` empty means everybody."""

    roles: frozenset[Role]
    session_checked_in_statement: bool = False
    with_refresh_token: bool = False
    signed_in_lately: bool = False


SessionCheck = Callable[[Caller], bool]
Narrowing = Callable[[Caller], AbstractContextManager[None]]


@dataclass(frozen=True)
class _VerifiedToken:
    """What a token with a good signature says; it is not yet said that its time is not over."""

    caller: Caller
    kind: str
    expires_at: float  # seconds since the epoch


class Authenticator:
    """Checks bearer tokens; one per application.

    A signature that was good stays good, so verified tokens are remembered; their expiry is
    compared, and their session looked at, each time.
    """

    def __init__(
        self, *, keys: KeyProvider, issuer: str, session_is_live: SessionCheck,
        signed_in_lately: SessionCheck, narrowed: Narrowing,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._session_is_live = session_is_live
        self._signed_in_lately = signed_in_lately
        self.narrowed = narrowed  # the block in which the caller's request sees no more than it may
        self._verified = lru_cache(maxsize=TOKENS_REMEMBERED)(self._verify)

    def caller(self, token: str, *, kind: Literal["access", "refresh"] = "access") -> Caller:
        """The caller behind a token, whose session is not looked at yet; BadToken otherwise."""
        try:
            verified = self._verified(token)
        except _NO_TOKEN as error:
            raise BadToken from error
        if verified.kind != kind or verified.expires_at <= time.time() - LEEWAY_SECONDS:
            raise BadToken
        return verified.caller

    def require_live_session(self, caller: Caller) -> None:
        """BadToken when the caller's session has ended."""
        if not self._session_is_live(caller):
            raise BadToken

    def require_late_sign_in(self, caller: Caller) -> None:
        """SignInAgain when the caller's session is older: a token that was left behind, say."""
        if not self._signed_in_lately(caller):
            raise SignInAgain

    def _verify(self, token: str) -> _VerifiedToken:
        claims = jwt.decode(
            token,
            self._key(token).secret,
            algorithms=[ALGORITHM],
            audience=[audience(role) for role in Role],
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED_CLAIMS},
        )
        return _VerifiedToken(_caller_of(claims), str(claims["type"]), float(claims["exp"]))

    def _key(self, token: str) -> Key:
        if len(token) > TOKEN_MAX_CHARS:
            raise BadToken
        key_id = jwt.get_unverified_header(token).get("kid")
        if not isinstance(key_id, str) or _KEY_ID.fullmatch(key_id) is None:
            raise BadToken
        return self._keys.by_id(KeyPurpose.TOKEN, int(key_id))


def audience(role: Role) -> str:
    """The `aud` of a role's tokens."""
    return f"integrity-card/{role}"


def _caller_of(claims: dict[str, object]) -> Caller:
    role = Role(str(claims["role"]))
    if claims["aud"] != audience(role):
        raise BadToken
    return Caller(
        role=role,
        subject_id=UUID(str(claims["sub"])),
        session_id=UUID(str(claims["sid"])),
        token_id=str(claims["jti"]),
    )


def configure_auth(
    app: Flask,
    *,
    keys: KeyProvider,
    issuer: str,
    session_is_live: SessionCheck,
    signed_in_lately: SessionCheck,
    narrowed: Narrowing,
) -> None:
    """Set the extension's configuration and the authenticator of this application."""
    active = keys.active(KeyPurpose.TOKEN)
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_SECRET_KEY=active.secret,
        JWT_ACCESS_TOKEN_EXPIRES=ACCESS_LIFE,
        JWT_REFRESH_TOKEN_EXPIRES=REFRESH_LIFE,
        JWT_ENCODE_ISSUER=issuer,
        JWT_DECODE_ISSUER=issuer,
        JWT_TOKEN_LOCATION=["headers"],
    )
    JWTManager(app)
    app.extensions["card_token_key_id"] = str(active.id)
    app.extensions["card_authenticator"] = Authenticator(
        keys=keys, issuer=issuer, session_is_live=session_is_live,
        signed_in_lately=signed_in_lately, narrowed=narrowed,
    )


def authenticator() -> Authenticator:
    """The authenticator of the running application."""
    return cast("Authenticator", current_app.extensions["card_authenticator"])


@dataclass(frozen=True)
class TokenPair:
    """Tokens for one session; `refresh_id` is the jti that the session must remember."""

    access_token: str
    refresh_token: str
    refresh_id: UUID


def issue_tokens(
    *, role: Role, subject_id: UUID, session_id: UUID, refresh_id: UUID, refresh_life: timedelta
) -> TokenPair:
    """Make an access token and the refresh token with the given id.

    `refresh_life` is what is left of the session's absolute life: rotation never adds to it.
    """
    headers = {"kid": str(current_app.extensions["card_token_key_id"])}
    claims = {"role": role.value, "sid": str(session_id), "aud": audience(role)}
    access = create_access_token(
        str(subject_id),
        additional_claims=claims,
        additional_headers=headers,
        expires_delta=min(ACCESS_LIFE, refresh_life),
    )
    refresh = create_refresh_token(
        str(subject_id),
        additional_claims={**claims, "jti": str(refresh_id)},
        additional_headers=headers,
        expires_delta=refresh_life,
    )
    return TokenPair(access_token=access, refresh_token=refresh, refresh_id=refresh_id)


def bearer_token() -> str:
    """The token of the request's Authorization header; BadToken when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise BadToken
    return token.strip()


def caller() -> Caller:
    """The caller of the current request, put there by `allow`."""
    return cast("Caller", g.caller)


def allow(
    *roles: Role, session_checked_in_statement: bool = False, signed_in_lately: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say who may call a route.  Every route says it; `public` is the other way.

    Where sources may call, they may sign the request instead of showing a token.  With
    `signed_in_lately` refreshing does not do: the session itself is of the last half hour.
    """
    access = Access(
        frozenset(roles), session_checked_in_statement, signed_in_lately=signed_in_lately
    )
    may_sign = Role.SOURCE in access.roles

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if may_sign and signatures.HEADER in request.headers:
                g.caller = _signer()
                return view(*args, **kwargs)
            check = authenticator()
            who = g.caller = check.caller(bearer_token())
            if who.role not in access.roles:
                raise WrongRole
            if not session_checked_in_statement:
                check.require_live_session(who)
            if signed_in_lately:
                check.require_late_sign_in(who)
            with check.narrowed(who):
                return view(*args, **kwargs)

        checked.access = access  # type: ignore[attr-defined]  # read by the house tests
        return checked

    return decorate


def _signer() -> Caller:
    signed = signatures.verify_request(request)
    g.is_signed = True
    return Caller(Role.SOURCE, signed.source_id, signed.credential_id, signed.nonce)


def is_signed() -> bool:
    """Whether the caller signed the current request."""
    return bool(g.get("is_signed"))


def allow_refresh(*roles: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say that a route is called with a refresh token, which the operation itself looks up.

    Rotation and the check of the session are one statement there; here they would be two.
    """
    access = Access(frozenset(roles), session_checked_in_statement=True, with_refresh_token=True)

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            who = authenticator().caller(bearer_token(), kind="refresh")
            if who.role not in access.roles:
                raise WrongRole
            g.caller = who
            return view(*args, **kwargs)

        checked.access = access  # type: ignore[attr-defined]  # read by the house tests
        return checked

    return decorate


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Say that everybody may call a route."""
    view.access = Access(frozenset())  # type: ignore[attr-defined]  # read by the house tests
    return view
