"""What is kept of members, staff and sources under keys of the ring, moved when a key changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, Uuid, exists, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from app.kernel.crypto import (
    SealBrokenError,
    data_key_context,
    keyed_digest,
    open_data_key,
    unseal,
)
from app.kernel.database import reading, transaction
from app.kernel.keys import KeyProvider, KeyPurpose
from app.kernel.rotation import FIRST_ID, Awaited, Closed, KeyLostError, OldKey, Stock
from app.members.models import (
    CitizenKey,
    CitizenLookup,
    CitizenProfile,
    SourceCredential,
    WeChatIdentity,
)
from app.members.sealing import IDENTITIES, INDEX_PURPOSES, PROFILES, open_field
from app.members.signing import secret_context
from app.members.sources import hash_secret
from app.members.staff import totp_context

_ADD = text(
    "SELECT citizen_lookup_add(:lookup, CAST(:citizens AS uuid[]), CAST(:indexes AS bytea[]),"
    " :active)"
)
_FORGET = text(
    "SELECT last_index, forgotten FROM citizen_lookup_forget(:lookup, :active, :after, :batch)"
)
_SESSIONS = text("SELECT sessions_refreshed_before(:token)")


@dataclass(frozen=True)
class BlindIndex:
    """The index of one kind of value; what is indexed stands sealed in `model.column`."""

    lookup: str
    table: str
    model: Any
    column: str

    @property
    def purpose(self) -> KeyPurpose:
        """The purpose of its keys."""
        return INDEX_PURPOSES[self.lookup]

    @property
    def name(self) -> str:
        """The part of the table of indexes."""
        return f"citizen_lookup of {self.lookup}"

    def needing(self, keys: KeyProvider, key: OldKey) -> int:  # noqa: ARG002 -- any key but one
        """How many citizens are not found by the active key alone."""
        lacking = (
            select(CitizenLookup.citizen_id)
            .where(CitizenLookup.purpose == self.lookup)
            .group_by(CitizenLookup.citizen_id)
            .having(~func.coalesce(func.bool_or(CitizenLookup.key_id == self._active(keys)), False))
        )
        with reading() as session:
            return session.scalar(select(func.count()).select_from(lacking.subquery())) or 0

    def renew(self, keys: KeyProvider, batch: int) -> Iterator[int]:
        """Index everybody under the active key; forget other indexes once no other key is left."""
        after: UUID | None = FIRST_ID
        while after is not None:
            after, count = self._add_after(after, keys, batch)
            yield count
        if len(keys.all(self.purpose)) == 1:
            yield from self._forget_others(keys, batch)

    def _active(self, keys: KeyProvider) -> int:
        return keys.active(self.purpose).id

    def _add_after(
        self, after: UUID, keys: KeyProvider, batch: int
    ) -> tuple[UUID | None, int]:
        with transaction() as session:
            walked = session.scalars(
                select(self.model.citizen_id).where(self.model.citizen_id > after)
                .order_by(self.model.citizen_id).limit(batch)
            ).all()
            found = session.execute(self._lacking(walked, keys)).all()
            if found:
                session.execute(_ADD, {
                    "lookup": self.lookup, "active": self._active(keys),
                    "citizens": [row.citizen_id for row in found],
                    "indexes": [self._index(keys, *row) for row in found],
                })
        return (walked[-1] if len(walked) == batch else None), len(found)

    def _lacking(self, among: Sequence[UUID], keys: KeyProvider) -> Select[UUID, bytes, bytes]:
        """Of a few citizens: to ask for the next that lack it would look at all, each time."""
        indexed = exists().where(
            CitizenLookup.citizen_id == self.model.citizen_id,
            CitizenLookup.purpose == self.lookup,
            CitizenLookup.key_id == self._active(keys),
        )
        return (
            select(self.model.citizen_id, getattr(self.model, self.column), CitizenKey.wrapped_key)
            .join(CitizenKey, CitizenKey.citizen_id == self.model.citizen_id)
            .where(self.model.citizen_id == func.any(literal([*among], ARRAY(Uuid()))), ~indexed)
        )

    def _index(
        self, keys: KeyProvider, citizen_id: UUID, sealed: bytes, wrapped: bytes
    ) -> bytes:
        try:
            data_key = open_data_key(keys, wrapped, citizen_id=citizen_id)
            value = open_field(
                data_key, sealed, table=self.table, column=self.column, citizen_id=citizen_id
            )
        except SealBrokenError as error:
            raise KeyLostError(f"{self.table}.{self.column} of {citizen_id}") from error
        return keyed_digest(keys.active(self.purpose), value.encode())

    def _forget_others(self, keys: KeyProvider, batch: int) -> Iterator[int]:
        after: bytes | None = b""
        while after is not None:
            with transaction() as session:
                row = session.execute(_FORGET, {
                    "lookup": self.lookup, "active": self._active(keys), "after": after,
                    "batch": batch,
                }).one()
            after = row.last_index
            yield row.forgotten


@dataclass(frozen=True)
class SourceSecrets:
    """The hashes by which source machines sign in; the secrets stand sealed beside them."""

    purpose: KeyPurpose = KeyPurpose.SIGN_IN
    name: str = "source_credentials.secret_hash"

    def needing(self, keys: KeyProvider, key: OldKey) -> int:  # noqa: ARG002 -- of `Stock`
        """How many live credentials are good by this key alone."""
        query = select(func.count()).select_from(SourceCredential).where(
            func.get_byte(SourceCredential.secret_hash, 1) == key.id, _IS_LIVE
        )
        with reading() as session:
            return session.scalar(query) or 0

    def renew(self, keys: KeyProvider, batch: int) -> Iterator[int]:
        """Hash the secrets under the active key, batch by batch."""
        after: UUID | None = FIRST_ID
        while after is not None:
            with transaction():
                found = self._after(after, keys, batch)
                for credential_id, sealed in found:
                    self._hash_again(keys, credential_id, sealed)
            after = found[-1][0] if len(found) == batch else None
            yield len(found)

    def _after(
        self, after: UUID, keys: KeyProvider, batch: int
    ) -> Sequence[tuple[UUID, bytes]]:
        query = (
            select(SourceCredential.credential_id, SourceCredential.secret_sealed)
            .where(
                SourceCredential.credential_id > after,
                SourceCredential.secret_sealed.is_not(None),
                func.get_byte(SourceCredential.secret_hash, 1) != keys.active(self.purpose).id,
            )
            .order_by(SourceCredential.credential_id).limit(batch)
        )
        with reading() as session:
            return [(one, sealed or b"") for one, sealed in session.execute(query)]

    def _hash_again(self, keys: KeyProvider, credential_id: UUID, sealed: bytes) -> None:
        secret = unseal(
            keys, KeyPurpose.SOURCE_SECRET, sealed, context=secret_context(credential_id)
        )
        fresh = hash_secret(keys.active(self.purpose), secret.decode())
        with reading() as session:
            session.execute(
                update(SourceCredential)
                .where(SourceCredential.credential_id == credential_id)
                .values(secret_hash=fresh)
                .execution_options(synchronize_session=False)
            )


def _refreshed_before(key: OldKey) -> int:
    """How many live sessions have their newest refresh token from the key's time."""
    milliseconds = int(key.used_until.timestamp() * 1000)
    first = UUID(int=(milliseconds << 80) | (7 << 76))  # UUIDv7: no id of that moment is less
    with reading() as session:
        return session.scalar(_SESSIONS, {"token": first}) or 0


_IS_LIVE: Final = (
    SourceCredential.ended_at.is_(None) | (SourceCredential.ended_at > func.now())
)

STOCKS: Final[tuple[Stock, ...]] = (
    Closed(
        KeyPurpose.DATA_WRAP, "citizen_keys", "citizen_id", "wrapped_key", data_key_context,
        is_key=True,
    ),
    BlindIndex("id_number", PROFILES, CitizenProfile, "id_number_sealed"),
    BlindIndex("openid", IDENTITIES, WeChatIdentity, "openid_sealed"),
    Closed(
        KeyPurpose.STAFF_SECRET, "staff_credentials", "staff_id", "totp_sealed", totp_context
    ),
    Closed(
        KeyPurpose.SOURCE_SECRET, "source_credentials", "credential_id", "secret_sealed",
        secret_context,
    ),
    SourceSecrets(),
    Awaited(KeyPurpose.TOKEN, "sessions not refreshed since", _refreshed_before),
)
