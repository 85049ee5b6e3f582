"""Staff accounts: password (argon2id) and TOTP, both always; disabled at once.

Guessing is slowed down per account and client, never by locking the account: a client that its
owner signed in from within 30 days is not touched by what others try (`sign_in_attempt` in the
database counts; Redis is not needed).  An unknown user name takes the same path and the same time.
"""

from __future__ import annotations

import hmac
import logging
import re
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.kernel.crypto import field_context, keyed_digest, seal, unseal
from app.kernel.database import hot_call, reading, transaction, transaction_required
from app.kernel.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    TooMany,
    Unauthenticated,
)
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider, KeyPurpose
from app.members.models import StaffAccount, StaffCredential
from app.members.sessions import OpenedSession, end_sessions, open_staff_session
from app.trail import security
from app.trail.operations import SYSTEM, Actor, record_act

log = logging.getLogger(__name__)

STAFF_ROLES = ("clerk", "merchant_owner", "operator")
PASSWORD_MIN_CHARS = 12
PASSWORD_MAX_CHARS = 128
TOTP_STEP_SECONDS = 30
TOTP_ISSUER = "Integrity Card"
# argon2id: OWASP's 46 MiB, with two passes.
HASHER = PasswordHasher(
    time_cost=2, memory_cost=47_104, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
# The hash of a random password that nobody has, checked in place of an unknown account's.
DUMMY_HASH = (
    "$argon2id$v=19$m=47104,t=2,p=1$iBSlXdbA7ZOzhDsYL/sLgw"
    "$2quXq6Ta4d/zBKTtLFeVjMiYrRljpL3ZJFGYRYou5Bw"
)
DUMMY_TOTP_SECRET = "JBSWY3DPEHPK3PXP" * 2  # opens nothing
_SECONDS = text("SELECT extract(epoch FROM clock_timestamp())::bigint")
_SUCCEEDED = text("SELECT sign_in_succeeded(:account, :client)")
_PRUNE = text("SELECT sign_ins_prune()")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")
# Long enough for the rule above and yet in every list of leaked passwords.
_LEAKED_PASSWORDS = frozenset({
    "123456789012", "1234567890123", "012345678910", "111111111111", "000000000000",
    "123123123123", "121212121212", "112233445566", "1q2w3e4r5t6y", "qwertyuiop12",
    "qwertyuiopas", "qwertyuiop123", "asdfghjkl123", "password1234", "password12345",
    "passwordpassword", "administrator", "admin1234567", "letmein12345", "iloveyou1234",
    "welcome12345", "abcdefghijkl", "abc123456789", "a1b2c3d4e5f6", "woaini123456",
})  # fmt: skip


class SignInRefused(Unauthenticated):
    """User name, password and code do not belong together; which of them is not said."""

    code: ClassVar[str] = "sign_in_refused"
    title: ClassVar[str] = "The sign-in is refused"
    advice: ClassVar[str] = "账号、密码或动态码有误，请核对后重试。"


class TooManySignIns(TooMany):
    """Too many failures; the answer says when to try again."""

    code: ClassVar[str] = "too_many_sign_ins"
    title: ClassVar[str] = "Too many failed sign-ins"
    advice: ClassVar[str] = "登录失败次数过多，请稍后再试。"


class PasswordWeak(Invalid):
    """Shorter than 12 or longer than 128 characters, the user name in it, or known to be leaked."""

    code: ClassVar[str] = "password_weak"
    title: ClassVar[str] = "The password is too weak"
    advice: ClassVar[str] = "密码须为 12 至 128 个字符，不得包含账号或使用常见密码。"


class SecondFactorRefused(NotAllowed):
    """The code is not the authenticator's code of now, or it was used before."""

    code: ClassVar[str] = "second_factor_refused"
    title: ClassVar[str] = "The code of the second factor is refused"
    advice: ClassVar[str] = "动态码有误或已使用，请等待新的动态码后重试。"


class UsernameTaken(Conflict):
    """There is an account with this user name."""

    code: ClassVar[str] = "username_taken"
    title: ClassVar[str] = "The user name is taken"
    advice: ClassVar[str] = "该账号名已被使用，请换一个。"


class UsernameInvalid(Invalid):
    """A user name is 3 to 64 of a-z, 0-9, dot, hyphen and underscore."""

    code: ClassVar[str] = "username_invalid"
    title: ClassVar[str] = "This cannot be a user name"
    advice: ClassVar[str] = "账号名须为 3 至 64 位小写字母、数字、点、横线或下划线。"


class StaffNotFound(NotFound):
    """There is no such staff account."""

    code: ClassVar[str] = "staff_not_found"
    title: ClassVar[str] = "There is no such staff account"
    advice: ClassVar[str] = "没有找到该工作人员账号。"


@dataclass(frozen=True)
class NewStaff:
    """A new account; `totp_uri` is for the authenticator app and shown once."""

    staff_id: UUID
    totp_uri: str = field(repr=False)


def create_staff(
    *,
    keys: KeyProvider,
    username: str,
    password: str,
    role: str,
    display_name: str,
    actor: Actor = SYSTEM,
) -> NewStaff:
    """Create an account in a transaction of its own; see `add_staff`."""
    with transaction():
        return add_staff(
            keys=keys, username=username, password=password, role=role,
            display_name=display_name, actor=actor,
        )


def add_staff(
    *,
    keys: KeyProvider,
    username: str,
    password: str,
    role: str,
    display_name: str,
    actor: Actor = SYSTEM,
) -> NewStaff:
    """Create an account in the open transaction.

    `role` is clerk, merchant_owner or operator and never changes; `display_name` is what citizens
    read in their trail.  UsernameInvalid, UsernameTaken or PasswordWeak otherwise.
    """
    session = transaction_required()
    if role not in STAFF_ROLES:
        message = f"{role} is no role of staff"
        raise ValueError(message)
    username = normal_username(username)
    check_password(password, username=username)
    staff_id = new_id()
    account = upsert(StaffAccount).values(
        staff_id=staff_id, username=username, role=role, display_name=display_name
    ).on_conflict_do_nothing().returning(StaffAccount.staff_id)
    if session.scalar(account) is None:
        raise UsernameTaken
    secret = pyotp.random_base32()  # 160 bits
    session.add(StaffCredential(
        staff_id=staff_id,
        password_hash=HASHER.hash(password),
        totp_sealed=_seal_totp(keys, staff_id, secret),
    ))
    session.flush()
    record_act(actor=actor, action="account_created", subject=f"{role} {staff_id}")
    uri = pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=TOTP_ISSUER)
    return NewStaff(staff_id=staff_id, totp_uri=uri)


def sign_in_staff(
    *, keys: KeyProvider, username: str, password: str, totp: str, client: str
) -> OpenedSession:
    """Sign in with all three; `client` is the network address the request comes from.

    The attempt is counted and committed before the password is looked at.
    """
    account_key = _attempt_key(keys, "account", username.strip().casefold())
    client_key = _attempt_key(keys, "client", client)
    _count_attempt(account_key, client_key)
    account, credential, now = _find(username.strip().casefold())
    right = _password_fits(DUMMY_HASH if credential is None else credential.password_hash, password)
    secret = DUMMY_TOTP_SECRET if credential is None else _open_totp(keys, credential)
    step = _totp_step(secret, totp, now)
    if account is None or credential is None or not right or step is None:
        log.warning("staff sign-in refused")
        security.note_event(
            kind=security.SIGN_IN_REFUSED, role="staff", account_key=account_key,
            client_key=client_key,
        )
        raise SignInRefused
    with transaction() as session:
        is_new = _is_new_step(session, account.staff_id, step)
        if is_new:
            session.execute(_SUCCEEDED, {"account": account_key, "client": client_key})
            opened = open_staff_session(session, staff_id=account.staff_id, role=account.role)
        else:
            security.record_event(
                kind=security.SIGN_IN_REFUSED, role="staff", account_id=account.staff_id,
                subject="a code that was used", client_key=client_key,
            )
    if not is_new:  # after the commit: the event stays
        raise SignInRefused
    log.info("staff signed in", extra={"staff": str(account.staff_id), "role": account.role})
    return opened


def confirm_second_factor(*, keys: KeyProvider, staff_id: UUID, totp: str) -> None:
    """Spend a fresh code of somebody who is signed in, for what a session alone may not do.

    Wrong ones are slowed down like sign-ins.  `second_factor_refused`, `too_many_sign_ins`.
    """
    attempt_key = _attempt_key(keys, "second factor", str(staff_id))
    _count_attempt(attempt_key, attempt_key)
    with reading() as session:
        credential = session.get(StaffCredential, staff_id)
        now: int = session.execute(_SECONDS).scalar_one()
    step = None if credential is None else _totp_step(_open_totp(keys, credential), totp, now)
    if step is None:
        security.note_event(
            kind=security.SECOND_FACTOR_REFUSED, role="staff", account_id=staff_id
        )
        raise SecondFactorRefused
    with transaction() as session:
        if not _is_new_step(session, staff_id, step):
            raise SecondFactorRefused
        session.execute(_SUCCEEDED, {"account": attempt_key, "client": attempt_key})


def prune_sign_ins() -> int:
    """Forget tries of more than a day ago, and clients unseen for 30 days; how many."""
    with transaction() as session:
        return int(session.scalar(_PRUNE) or 0)


def disable_staff(*, staff_id: UUID, actor: Actor = SYSTEM) -> None:
    """Disable an account in a transaction of its own; see `close_staff`."""
    with transaction():
        close_staff(staff_id=staff_id, actor=actor)


def close_staff(*, staff_id: UUID, actor: Actor = SYSTEM) -> None:
    """Disable an account and end its sessions, in the open transaction; StaffNotFound otherwise."""
    session = transaction_required()
    account = _require_account(session, staff_id)
    account.status = "disabled"
    session.flush()
    end_sessions(role=account.role, subject_id=staff_id, reason="account_disabled")
    record_act(actor=actor, action="account_disabled", subject=str(staff_id))
    log.warning("staff disabled", extra={"staff": str(staff_id)})


def end_staff_sessions(*, staff_id: UUID, actor: Actor = SYSTEM) -> int:
    """End every session of an account, which may sign in again; how many there were."""
    with transaction() as session:
        account = _require_account(session, staff_id)
        record_act(actor=actor, action="account_signed_out", subject=str(staff_id))
        return end_sessions(
            role=account.role, subject_id=staff_id, reason="ended_by_operator"
        )


def normal_username(text_: str) -> str:
    """The user name in its one spelling; UsernameInvalid otherwise."""
    username = text_.strip().casefold()
    if _USERNAME.fullmatch(username) is None:
        raise UsernameInvalid
    return username


def check_password(password: str, *, username: str) -> None:
    """PasswordWeak unless the password is good enough."""
    folded = password.casefold()
    few_characters = 4
    if (
        not PASSWORD_MIN_CHARS <= len(password) <= PASSWORD_MAX_CHARS
        or username in folded
        or folded in _LEAKED_PASSWORDS
        or len(set(folded)) <= few_characters
    ):
        raise PasswordWeak


def _count_attempt(account_key: bytes, client_key: bytes) -> None:
    row = hot_call(
        "SELECT sign_in_attempt(%(attempt)s, %(account)s, %(client)s) AS pause",
        {"attempt": new_id(), "account": account_key, "client": client_key},
    )
    if row is not None and row["pause"] > 0:
        log.warning("staff sign-in delayed", extra={"seconds": row["pause"]})
        security.note_event(
            kind=security.SIGN_IN_DELAYED, role="staff", subject=f"{row['pause']} seconds",
            account_key=account_key, client_key=client_key,
        )
        raise TooManySignIns(retry_after_seconds=row["pause"])


def _attempt_key(keys: KeyProvider, kind: str, value: str) -> bytes:
    return keyed_digest(keys.active(KeyPurpose.SIGN_IN), f"{kind}:{value}".encode())


def _find(username: str) -> tuple[StaffAccount | None, StaffCredential | None, int]:
    query = (
        select(StaffAccount, StaffCredential)
        .join(StaffCredential, StaffCredential.staff_id == StaffAccount.staff_id)
        .where(StaffAccount.username == username, StaffAccount.status == "active")
    )
    with reading() as session:
        row = session.execute(query).one_or_none()
        seconds: int = session.execute(_SECONDS).scalar_one()
    return (None, None, seconds) if row is None else (row[0], row[1], seconds)


def _password_fits(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except VerifyMismatchError:
        return False


def _totp_step(secret: str, totp: str, now: int) -> int | None:
    """The time step whose code this is: the current one or a neighbour."""
    generator = pyotp.TOTP(secret, interval=TOTP_STEP_SECONDS)
    current = now // TOTP_STEP_SECONDS
    fitting = [
        step for step in (current - 1, current, current + 1)
        if hmac.compare_digest(generator.generate_otp(step).encode(), totp.encode())
    ]
    return fitting[-1] if fitting else None


def _is_new_step(session: Session, staff_id: UUID, step: int) -> bool:
    """Whether neither this code nor a later one was spent before; it is now."""
    used = session.scalar(
        update(StaffCredential)
        .where(StaffCredential.staff_id == staff_id, StaffCredential.totp_last_step < step)
        .values(totp_last_step=step)
        .returning(StaffCredential.staff_id)
        .execution_options(synchronize_session=False)
    )
    return used is not None


def _require_account(session: Session, staff_id: UUID) -> StaffAccount:
    account = session.get(StaffAccount, staff_id, with_for_update=True)
    if account is None:
        raise StaffNotFound
    return account


def totp_context(staff_id: UUID) -> bytes:
    """The place that a TOTP secret is bound to."""
    return field_context(table="staff_credentials", column="totp_sealed", row_id=staff_id)


def _seal_totp(keys: KeyProvider, staff_id: UUID, secret: str) -> bytes:
    key = keys.active(KeyPurpose.STAFF_SECRET)
    return seal(key, secret.encode(), context=totp_context(staff_id))


def _open_totp(keys: KeyProvider, credential: StaffCredential) -> str:
    context = totp_context(credential.staff_id)
    return unseal(keys, KeyPurpose.STAFF_SECRET, credential.totp_sealed, context=context).decode()
