"""Tokens: forged, borrowed, incomplete and outlived ones are refused; keys rotate."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.kernel.keys import KeyPurpose, KeyRing, new_key_document
from app.members.sessions import SESSION_LIFE
from app.web.auth import (
    ACCESS_LIFE,
    LEEWAY_SECONDS,
    REFRESH_LIFE,
    Authenticator,
    BadToken,
    Role,
    audience,
)

ISSUER = "integrity-card"


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    return KeyRing.from_document(new_key_document())


@pytest.fixture
def check(ring: KeyRing) -> Authenticator:
    return Authenticator(
        keys=ring, issuer=ISSUER, signed_in_lately=lambda _: True, session_is_live=lambda _: True,
        narrowed=lambda _: nullcontext(),
    )


def claims(role: Role = Role.CITIZEN, kind: str = "access", /, **changes: Any) -> dict[str, Any]:
    moment = datetime.now(UTC)
    return {
        "exp": moment + ACCESS_LIFE, "nbf": moment, "iat": moment, "iss": ISSUER,
        "aud": audience(role), "jti": str(new_id()), "type": kind, "sub": str(new_id()),
        "sid": str(new_id()), "role": role.value, **changes,
    }


def signed(
    ring: KeyRing, content: dict[str, Any], headers: dict[str, Any] | None = None,
    algorithm: str = "HS256", secret: bytes | None = None,
) -> str:
    key = ring.active(KeyPurpose.TOKEN)
    return jwt.encode(
        content, secret or key.secret, algorithm,
        headers={"kid": str(key.id), **(headers or {})},
    )


def raw(header: Any, body: Any, signature: bytes = b"") -> str:
    def part(value: Any) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value, default=str).encode()
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    return f"{part(header)}.{part(body)}.{part(signature)}"


def unix_claims() -> dict[str, Any]:
    moment = datetime.now(UTC)
    return {
        k: int(v.timestamp()) if isinstance(v, datetime) else v
        for k, v in claims(iat=moment, nbf=moment).items()
    }


def test_a_good_token_names_its_caller(ring: KeyRing, check: Authenticator) -> None:
    content = claims(Role.CLERK)
    caller = check.caller(signed(ring, content))
    assert (caller.role, str(caller.subject_id)) == (Role.CLERK, content["sub"])


FORGED_ALGORITHMS = [
    *("none", "None", "NONE", "nOnE", "", "HS384", "HS512", "hs256", "RS256", "RS384", "RS512"),
    *("ES256", "ES384", "ES512", "ES256K", "PS256", "PS384", "PS512", "EdDSA", "A128KW", "dir"),
    *("HS1", "MD5", "HMAC", "RSA-OAEP", "unsigned", " HS256", "HS256 ", "null", "SM3"),
]


@pytest.mark.parametrize("algorithm", FORGED_ALGORITHMS)
def test_s1_other_algorithms_are_refused(
    ring: KeyRing, check: Authenticator, algorithm: str
) -> None:
    key = ring.active(KeyPurpose.TOKEN)
    header = {"alg": algorithm, "typ": "JWT", "kid": str(key.id)}
    good = signed(ring, claims())
    for token in (
        raw(header, unix_claims()),
        raw(header, unix_claims(), b"x" * 32),
        raw(header, unix_claims()).rstrip(".") + "." + good.rsplit(".", 1)[1],
    ):
        with pytest.raises(BadToken):
            check.caller(token)


def test_s1_our_secret_with_another_length_of_hash_is_refused(
    ring: KeyRing, check: Authenticator
) -> None:
    for algorithm in ("HS384", "HS512"):
        key = ring.active(KeyPurpose.TOKEN)
        with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
            token = signed(ring, claims(), algorithm=algorithm, secret=key.secret)
        with pytest.raises(BadToken):
            check.caller(token)


POINTERS = [
    {"kid": kid} for kid in (
        "0", "2", "256", "-1", "1.0", " 1", "1 ", "01", "١", "１", "../../keys", "/dev/null",
        "1' OR '1'='1", "", "1\n", "https://attacker.example/key",
    )
] + [
    {"kid": None}, {"kid": ["1"]}, {"kid": {"id": 1}},
]  # fmt: skip


@pytest.mark.parametrize("header", POINTERS)
def test_s2_no_other_key_is_looked_up(
    ring: KeyRing, check: Authenticator, header: dict[str, Any]
) -> None:
    key = ring.active(KeyPurpose.TOKEN)
    head = {"alg": "HS256", "typ": "JWT", **header}
    good = raw(head, unix_claims())
    message = good.rpartition(".")[0].encode()
    signature = jwt.get_algorithm_by_name("HS256").sign(message, key.secret)
    with pytest.raises(BadToken):
        check.caller(raw(head, unix_claims(), signature))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_s2_keys_in_the_header_are_ignored_without_any_call(
    ring: KeyRing, check: Authenticator, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("an outbound call")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    theirs = b"k" * 32
    value: Any = {"kty": "oct", "k": base64.urlsafe_b64encode(theirs).decode()}
    header = {name: value if name == "jwk" else "https://attacker.example/keys"}
    with pytest.raises(BadToken):
        check.caller(signed(ring, claims(), header, secret=theirs))
    check.caller(signed(ring, claims(), header))  # signed by us, the pointer means nothing


REQUIRED = ["exp", "nbf", "iat", "iss", "aud", "jti", "type", "sub", "sid", "role"]


@pytest.mark.parametrize("name", REQUIRED)
def test_s3_every_claim_is_required(ring: KeyRing, check: Authenticator, name: str) -> None:
    content = claims()
    del content[name]
    with pytest.raises(BadToken):
        check.caller(signed(ring, content))


def test_s3_the_leeway_is_under_a_minute(ring: KeyRing, check: Authenticator) -> None:
    assert LEEWAY_SECONDS <= 60
    moment = datetime.now(UTC)
    late = timedelta(seconds=61)
    for changes in (
        {"exp": moment - late}, {"nbf": moment + late}, {"iat": moment + late},
        {"iss": "somebody"}, {"aud": "integrity-card"}, {"aud": [audience(Role.CITIZEN)]},
        {"sub": "nobody"}, {"sid": "none"}, {"role": "admin"}, {"type": "id"},
    ):
        with pytest.raises(BadToken):
            check.caller(signed(ring, claims(**changes)))


KINDS = [(role, kind) for role in Role for kind in ("access", "refresh")]


@pytest.mark.parametrize(("role", "kind"), KINDS)
def test_s4_no_token_passes_for_another(
    ring: KeyRing, check: Authenticator, role: Role, kind: str
) -> None:
    token = signed(ring, claims(role, kind))
    other = "access" if kind == "refresh" else "refresh"
    assert check.caller(token, kind=kind).role is role  # type: ignore[arg-type]
    with pytest.raises(BadToken):
        check.caller(token, kind=other)  # type: ignore[arg-type]
    for another in set(Role) - {role}:
        for changes in ({"role": another.value}, {"aud": audience(another)}):
            with pytest.raises(BadToken):
                check.caller(signed(ring, claims(role, kind, **changes)), kind=kind)  # type: ignore[arg-type]


def test_s5_lives_are_short() -> None:
    assert timedelta(minutes=15) >= ACCESS_LIFE
    assert timedelta(days=30) >= REFRESH_LIFE == SESSION_LIFE


@pytest.mark.parametrize(
    "token",
    [
        "", "a", "..", "a.b.c", "x" * 3000, "\x00", "é.é.é",
        raw(b"[" * 1400, {}), raw(b"\xff\xfe", {}), raw({"alg": "HS256", "kid": "1"}, b"{"),
        raw({"alg": "HS256", "kid": "1"}, [1]), raw([1], {}), raw({}, {}),
    ],
)
def test_what_is_no_token_at_all_is_refused(check: Authenticator, token: str) -> None:
    with pytest.raises(BadToken):
        check.caller(token)


def test_keys_rotate() -> None:
    document = new_key_document()
    old = KeyRing.from_document(document)
    token = signed(old, claims())
    fresh = {**new_key_document()[KeyPurpose.TOKEN][0], "id": 2}
    both = {**document, "token": [fresh, *document["token"]]}
    make: Callable[[dict[str, Any]], Authenticator] = lambda ring: Authenticator(
        keys=KeyRing.from_document(ring), issuer=ISSUER, session_is_live=lambda _: True,
        signed_in_lately=lambda _: True,
        narrowed=lambda _: nullcontext(),
    )
    rotated, retired = make(both), make({**document, "token": [fresh]})
    assert rotated.caller(token).role is Role.CITIZEN
    new_token = signed(KeyRing.from_document(both), claims())
    assert jwt.get_unverified_header(new_token)["kid"] == "2"
    assert retired.caller(new_token).role is Role.CITIZEN
    with pytest.raises(BadToken):
        retired.caller(token)


def test_the_header_must_be_a_bearer_token(app: Flask) -> None:
    client = app.test_client()
    for header in ("", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "bearer\tx", "Token abc"):
        answer = client.get("/api/v1/me", headers={"Authorization": header})
        assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
