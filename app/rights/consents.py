"""A citizen's own consents: what stands, what may be asked, what was decided, and its receipt.

A consent is given for one purpose and one receiver, to one version of a text.  Withdrawing is one
step and holds at once.  Who refused or withdrew is not asked again within the set time; of their
own motion they may agree whenever they like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

import orjson

from app.households import operations as households
from app.households.queries import HOUSEHOLD
from app.kernel.database import transaction
from app.kernel.detached import sign_detached
from app.kernel.errors import Conflict, NotFound
from app.kernel.keys import KeyProvider
from app.members import operations as members
from app.members.consents import WECHAT_CHANNEL
from app.members.queries import (
    ConsentState,
    PublishedText,
    consent_state,
    consent_states,
    database_now,
    find_decision,
    find_text,
    list_consents,
)
from app.rights.receipts import SignedReceipt
from app.scoring.ranks import RANKING, forget_shared_ranks

STANDING: Final = frozenset({"given", "stale"})


class ConsentIsMembership(Conflict):
    """Without this consent there is no membership: leaving is the way to take it back."""

    code: ClassVar[str] = "consent_is_membership"
    title: ClassVar[str] = "Taking this consent back means leaving"
    advice: ClassVar[str] = "该授权是加入的前提；如不再同意，请办理退出（一步完成）。"


class ConsentAskedRecently(Conflict):
    """The citizen said no and is not asked again before the day that the details give."""

    code: ClassVar[str] = "consent_asked_recently"
    title: ClassVar[str] = "The citizen has said no and is not asked again yet"
    advice: ClassVar[str] = "市民已拒绝该授权，期限内请勿再次询问。"


class ConsentUnheardOf(NotFound):
    """The citizen has made no such decision."""

    code: ClassVar[str] = "consent_decision_unknown"
    title: ClassVar[str] = "There is no such decision"
    advice: ClassVar[str] = "没有找到该授权记录。"


# Where a withdrawal takes more with it than the consent.
_GOES_WITH: Final[dict[str, Callable[..., object]]] = {
    HOUSEHOLD: households.give_up_seat,
    RANKING: forget_shared_ranks,
}


@dataclass(frozen=True)
class StandingConsent:
    """How a citizen stands to one purpose; `ask_again_at` is set while it may not be asked."""

    text: PublishedText
    state: str
    decided_at: datetime | None
    ask_again_at: datetime | None


def _nothing() -> None:
    """Whoever decides for themselves needs nothing beside it."""


@dataclass(frozen=True)
class Acting:
    """How a decision comes: by which channel, and what stands in its transaction beside it."""

    channel: str = WECHAT_CHANNEL
    beside: Callable[[], None] = _nothing


THEMSELVES: Final = Acting()


def list_standing(*, citizen_id: UUID, ask_again_days: int) -> list[StandingConsent]:
    """Every published purpose and how the citizen stands to it."""
    decided = {found.purpose: found for found in list_consents(citizen_id=citizen_id)}
    now = database_now()
    texts = members.current_texts()
    states = consent_states(citizen_id=citizen_id, purposes=texts)
    return [
        StandingConsent(
            text=text,
            state=states[purpose],
            decided_at=None if (last := decided.get(purpose)) is None else last.decided_at,
            ask_again_at=_ask_again_at(last, now, ask_again_days),
        )
        for purpose, text in texts.items()
    ]


def ask(*, citizen_id: UUID, purpose: str, ask_again_days: int) -> PublishedText:
    """The text to show to somebody who did not ask for it; refused too soon after a no.

    Refuses `consent_unknown`, `consent_stands`, `consent_asked_recently`.
    """
    text = members.current_texts().get(purpose)
    if text is None:
        raise members.ConsentUnknown
    if consent_state(citizen_id=citizen_id, purpose=purpose) == "given":
        raise members.ConsentStands
    last = {found.purpose: found for found in list_consents(citizen_id=citizen_id)}.get(purpose)
    again_at = _ask_again_at(last, database_now(), ask_again_days)
    if again_at is not None:
        raise ConsentAskedRecently(ask_again_at=again_at.isoformat())
    return text


def give(
    *, citizen_id: UUID, purpose: str, text_version: int, acting: Acting = THEMSELVES
) -> ConsentState:
    """Agree to the current text; again changes nothing.  `consent_unknown`, `consent_stale`."""
    with transaction():
        acting.beside()
        if consent_state(citizen_id=citizen_id, purpose=purpose) != "given":
            members.give_consent(
                citizen_id=citizen_id, given=members.GivenConsent(purpose, text_version),
                channel=acting.channel,
            )
    return _last(citizen_id, purpose)


def refuse(
    *, citizen_id: UUID, purpose: str, text_version: int, acting: Acting = THEMSELVES
) -> ConsentState:
    """Say no to a text that was shown.  Refuses `consent_unknown`, `consent_stands`."""
    with transaction():
        acting.beside()
        members.refuse_consent(
            citizen_id=citizen_id, given=members.GivenConsent(purpose, text_version),
            channel=acting.channel,
        )
    return _last(citizen_id, purpose)


def withdraw(
    *, citizen_id: UUID, purpose: str, acting: Acting = THEMSELVES
) -> ConsentState:
    """Take a consent back, with what rests on it; it holds when this returns.

    Again changes nothing.  Refuses `consent_unknown`, `consent_is_membership`,
    `consent_decision_unknown` where nothing was ever decided.
    """
    text = members.current_texts().get(purpose)
    if text is None:
        raise members.ConsentUnknown
    if text.required:
        raise ConsentIsMembership
    with transaction():
        acting.beside()
        if purpose in _GOES_WITH:
            _GOES_WITH[purpose](citizen_id=citizen_id)
        members.withdraw_consent(
            citizen_id=citizen_id, purpose=purpose, channel=acting.channel
        )
    return _last(citizen_id, purpose)


def sign_receipt(*, keys: KeyProvider, citizen_id: UUID, consent_id: UUID) -> SignedReceipt:
    """What the citizen keeps of a decision: what, when, to which text by its hash; no name."""
    found = find_decision(citizen_id=citizen_id, consent_id=consent_id)
    if found is None:
        raise ConsentUnheardOf
    text = find_text(purpose=found.purpose, version=found.text_version)
    assert text is not None, "a published text stays"
    document = orjson.dumps(
        {
            "kind": "consent_receipt", "consent_id": found.consent_id, "purpose": found.purpose,
            "receiver": text.receiver, "title": text.title, "text_version": found.text_version,
            "text_sha256": found.text_hash.hex(), "decision": found.decision,
            "channel": found.channel, "decided_at": found.decided_at,
        },
        option=orjson.OPT_UTC_Z,
    )  # fmt: skip
    return SignedReceipt(document.decode(), sign_detached(keys=keys, payload=document))


def _ask_again_at(
    last: ConsentState | None, now: datetime, ask_again_days: int
) -> datetime | None:
    if last is None or last.decision == "given":
        return None
    again_at = last.decided_at + timedelta(days=ask_again_days)
    return again_at if again_at > now else None


def _last(citizen_id: UUID, purpose: str) -> ConsentState:
    for found in list_consents(citizen_id=citizen_id):
        if found.purpose == purpose:
            return found
    raise ConsentUnheardOf
