"""The index of paper cards' numbers, moved when its key changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, update

from app.counter.cards import number_context
from app.counter.models import PaperCard, PaperCardNumber
from app.counter.numbers import number_hashes
from app.kernel.crypto import unseal_with
from app.kernel.database import reading, transaction
from app.kernel.keys import KeyProvider, KeyPurpose
from app.kernel.rotation import OldKey, Stock
from app.members.queries import find_data_key


@dataclass(frozen=True)
class CardNumbers:
    """The keyed hashes of numbers; the numbers stand sealed under their holders' keys."""

    purpose: KeyPurpose = KeyPurpose.CODE
    name: str = "paper_card_numbers"

    def needing(self, keys: KeyProvider, key: OldKey) -> int:  # noqa: ARG002 -- any key but one
        """How many numbers are not under the active key."""
        query = select(func.count()).select_from(PaperCardNumber).where(
            PaperCardNumber.key_id.is_distinct_from(keys.active(self.purpose).id)
        )
        with reading() as session:
            return session.scalar(query) or 0

    def renew(self, keys: KeyProvider, batch: int) -> Iterator[int]:
        """Hash the numbers under the active key, batch by batch."""
        after: bytes | None = b""
        while after is not None:
            with transaction():
                found = self._after(after, keys, batch)
                for _, card in found:
                    self._hash_again(keys, card)
            after = found[-1][0] if len(found) == batch else None
            yield len(found)

    def _after(
        self, after: bytes, keys: KeyProvider, batch: int
    ) -> list[tuple[bytes, PaperCard]]:
        query = (
            select(PaperCardNumber.number_hash, PaperCard)
            .join(
                PaperCard,
                (PaperCard.citizen_id == PaperCardNumber.citizen_id)
                & (PaperCard.card_id == PaperCardNumber.card_id),
            )
            .where(
                PaperCardNumber.number_hash > after,
                PaperCardNumber.key_id.is_distinct_from(keys.active(self.purpose).id),
            )
            .order_by(PaperCardNumber.number_hash).limit(batch)
        )
        with reading() as session:
            return [(held, card) for held, card in session.execute(query)]

    def _hash_again(self, keys: KeyProvider, card: PaperCard) -> None:
        """In its place, so that who is erased meanwhile leaves nothing behind."""
        data_key = find_data_key(keys=keys, citizen_id=card.citizen_id)
        if data_key is None:
            return  # erased meanwhile
        number = unseal_with(
            data_key, card.number_sealed, context=number_context(card.card_id)
        ).decode()
        with reading() as session:
            session.execute(
                update(PaperCardNumber)
                .where(
                    PaperCardNumber.citizen_id == card.citizen_id,
                    PaperCardNumber.card_id == card.card_id,
                )
                .values(
                    number_hash=number_hashes(keys, number)[0],
                    key_id=keys.active(self.purpose).id,
                )
                .execution_options(synchronize_session=False)
            )


STOCKS: Final[tuple[Stock, ...]] = (CardNumbers(),)
