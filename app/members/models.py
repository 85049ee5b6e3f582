"""The tables of citizens, staff accounts and source machines."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base
from app.kernel.scale import TableKind


class Citizen(Base):
    """A member: nothing personal but a random id."""

    __tablename__ = "citizens"

    citizen_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    joined_on: Mapped[date]
    # A membership that rests because a changed text was not agreed to in time.
    rests_for_consent: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CitizenKey(Base):
    """The citizen's wrapped data key; destroying it erases everything sealed under it."""

    __tablename__ = "citizen_keys"

    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizens.citizen_id"), primary_key=True)
    wrapped_key: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CitizenProfile(Base):
    """Name, identity number and phone, each sealed under the citizen's key."""

    __tablename__ = "citizen_profiles"

    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizens.citizen_id"), primary_key=True)
    name_sealed: Mapped[bytes]
    id_number_sealed: Mapped[bytes]
    phone_sealed: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CitizenLookup(Base):
    """From the blind index of an identity number or openid to the one citizen it belongs to."""

    __tablename__ = "citizen_lookup"
    __table_args__ = (Index("ix_citizen_lookup__citizen_id", "citizen_id"),)

    blind_index: Mapped[bytes] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    citizen_id: Mapped[UUID]
    key_id: Mapped[int | None]  # of the ring; null: from before it was written down
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WeChatIdentity(Base):
    """The openid a citizen signs in with, sealed; needed to send messages."""

    __tablename__ = "wechat_identities"

    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizens.citizen_id"), primary_key=True)
    openid_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Consent(Base):
    """One decision on one purpose; the last one per purpose counts.  Append-only."""

    __tablename__ = "consents"

    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizens.citizen_id"), primary_key=True)
    consent_id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    text_version: Mapped[int]
    text_hash: Mapped[bytes]
    decision: Mapped[str]
    channel: Mapped[str]
    decided_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CitizenSession(Base):
    """A sign-in of a citizen and its family of refresh tokens; only the newest one is good."""

    __tablename__ = "citizen_sessions"
    __table_args__ = (Index("ix_citizen_sessions__expires_at", "expires_at"),)

    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizens.citizen_id"), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    refresh_id: Mapped[UUID]
    refresh_generation: Mapped[int] = mapped_column(server_default=text("0"))
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ConsentText(Base):
    """One published version of the text that is agreed to for a purpose; never changed."""

    __tablename__ = "consent_texts"

    purpose: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    receiver: Mapped[str]
    required: Mapped[bool]
    sensitive: Mapped[bool]
    title: Mapped[str]
    body: Mapped[str]
    text_hash: Mapped[bytes]
    matters: Mapped[bool] = mapped_column(server_default=true())  # asks those anew who had agreed
    answer_due_on: Mapped[date | None]  # of a required text: who has not agreed by this day rests
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StaffAccount(Base):
    """Somebody who works here or for a merchant; the role never changes."""

    __tablename__ = "staff_accounts"
    __table_args__ = (UniqueConstraint("username"),)

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    role: Mapped[str]
    display_name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StaffCredential(Base):
    """Password hash (argon2id), sealed TOTP secret, and the last TOTP step used."""

    __tablename__ = "staff_credentials"

    staff_id: Mapped[UUID] = mapped_column(
        ForeignKey("staff_accounts.staff_id"), primary_key=True
    )
    password_hash: Mapped[str]
    totp_sealed: Mapped[bytes]
    totp_last_step: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StaffSession(Base):
    """A sign-in of a staff account: whether it is live, nothing that changes often."""

    __tablename__ = "staff_sessions"

    staff_id: Mapped[UUID] = mapped_column(
        ForeignKey("staff_accounts.staff_id"), primary_key=True
    )
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StaffRefresh(Base):
    """The newest refresh token of a staff session."""

    __tablename__ = "staff_refreshes"

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    refresh_id: Mapped[UUID]
    refresh_generation: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SourceAccount(Base):
    """A department's machine; what it may deliver is not said here."""

    __tablename__ = "source_accounts"
    __table_args__ = (UniqueConstraint("name"),)

    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    signed_only: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SourceTokenWaiver(Base):
    """A proposal to let a source show tokens beside signing; open while `closed_at` is null."""

    __tablename__ = "source_token_waivers"
    __table_args__ = (
        CheckConstraint(
            "confirmed_by <> proposed_by", name="ck_source_token_waivers__second_person"
        ),
        Index("ix_source_token_waivers__source_id", "source_id"),
    )

    waiver_id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("source_accounts.source_id"))
    proposed_by: Mapped[UUID]
    confirmed_by: Mapped[UUID | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SourceCredential(Base):
    """One secret of a source machine: a keyed hash to sign in, sealed to verify signatures.

    `ended_at` may be still to come: two credentials overlap while a machine changes over.
    """

    __tablename__ = "source_credentials"

    credential_id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("source_accounts.source_id"))
    secret_hash: Mapped[bytes]
    secret_sealed: Mapped[bytes | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SourceNonce(Base):
    """A signed request that was admitted."""

    __tablename__ = "source_nonces"
    __table_args__ = (Index("ix_source_nonces__forget_at", "forget_at"),)

    credential_id: Mapped[UUID] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    forget_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SourceSession(Base):
    """A sign-in of a source machine and its family of refresh tokens."""

    __tablename__ = "source_sessions"

    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    credential_id: Mapped[UUID] = mapped_column(ForeignKey("source_credentials.credential_id"))
    refresh_id: Mapped[UUID]
    refresh_generation: Mapped[int] = mapped_column(server_default=text("0"))
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SignInAttempt(Base):
    """An attempt to sign in as staff that did not succeed (yet)."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts__account_key", "account_key", "created_at"),
        Index("ix_sign_in_attempts__client_key", "client_key", "created_at"),
        Index("ix_sign_in_attempts__created_at", "created_at"),
    )

    attempt_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_key: Mapped[bytes]
    client_key: Mapped[bytes]
    known_client: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class KnownClient(Base):
    """A client from which an account was signed in to within the last 30 days."""

    __tablename__ = "known_clients"

    account_key: Mapped[bytes] = mapped_column(primary_key=True)
    client_key: Mapped[bytes] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


TABLE_KINDS = {
    "citizens": TableKind.CITIZEN,
    "citizen_keys": TableKind.CITIZEN,
    "citizen_profiles": TableKind.CITIZEN,
    "wechat_identities": TableKind.CITIZEN,
    "consents": TableKind.CITIZEN,
    "citizen_sessions": TableKind.CITIZEN,
    "citizen_lookup": TableKind.LOOKUP,
    "consent_texts": TableKind.REFERENCE,
    "staff_accounts": TableKind.REFERENCE,
    "staff_sessions": TableKind.REFERENCE,
    "source_accounts": TableKind.REFERENCE,
    "source_token_waivers": TableKind.REFERENCE,
    "staff_credentials": TableKind.LOCAL,
    "staff_refreshes": TableKind.LOCAL,
    "source_credentials": TableKind.LOCAL,
    "source_nonces": TableKind.LOCAL,
    "source_sessions": TableKind.LOCAL,
    "sign_in_attempts": TableKind.LOCAL,
    "known_clients": TableKind.LOCAL,
}
