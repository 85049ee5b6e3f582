"""What an objection may be about: found, named for its mark, and frozen as it stands.

What the machine has computed or refused is kept beside the objection as it was when it was filed,
so that whoever looks at it later sees what the citizen saw (R12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.disputes.queries import CLAIM, ORDER, RECORD, REDEMPTION, REPAIR, Item
from app.kernel.keys import KeyProvider
from app.objections.refusals import ObjectionItemUnknown
from app.records.origins import LatestVersion, find_latest_version
from app.redemptions.queries import find_refused_claim, find_voucher
from app.repairs.queries import find_rejected
from app.scoring.explanations import ALL_LINES
from app.scoring.operations import open_score
from app.scoring.wording import plain
from app.service_orders.queries import find_order

SCORE_LINE: Final = "score_line"
ABOUT_RECORDS: Final = (RECORD, SCORE_LINE)
BY_ID: Final = (REDEMPTION, CLAIM, ORDER, REPAIR)
KINDS: Final = (*ABOUT_RECORDS, *BY_ID)
REASONS: Final = (
    "not_me", "wrong_facts", "outdated", "listed_twice", "no_legal_basis", "wrong_points",
    "wrongly_refused", "other",
)  # fmt: skip
ANSWERS: Final = ("uphold", "correct", "withdraw")
UPHELD: Final = "upheld"
REJECTED: Final = "rejected"
OUTCOMES: Final = (UPHELD, REJECTED)
SOURCE_CORRECTED: Final = "source_corrected"
VOIDED: Final = "voided"
OTHER: Final = "other"
REMEDIES: Final = (SOURCE_CORRECTED, VOIDED, OTHER)
WORDS_MAX_CHARS: Final = 1_000
REDEEMED: Final = ("redeemed", "used_offline", "annulled")


@dataclass(frozen=True)
class Subject:
    """What a citizen objects to.

    A record and a score line by type and number, the line with its indicator; a redemption and a
    refused claim by the id of the voucher, a service order and a rejected repair by their own.
    """

    kind: str
    record_type: str | None = None
    record_number: str | None = None
    indicator: str | None = None
    item_id: UUID | None = None


@dataclass(frozen=True)
class Statement:
    """What the citizen says: to what, why, and in own words."""

    subject: Subject
    reason: str
    words: str


@dataclass(frozen=True)
class FoundItem:
    """The item, how it stands now, and for a record its version and source."""

    item: Item
    frozen: Mapping[str, Any]
    record_version: int | None = None
    source_id: UUID | None = None


def find_item(*, keys: KeyProvider, citizen_id: UUID, subject: Subject) -> FoundItem:
    """What the citizen objects to; ObjectionItemUnknown when there is no such thing of theirs."""
    found = _FINDERS[subject.kind](keys, citizen_id, subject)
    if found is None:
        raise ObjectionItemUnknown
    return found


def _latest(citizen_id: UUID, subject: Subject) -> LatestVersion | None:
    assert subject.record_type is not None
    assert subject.record_number is not None
    latest = find_latest_version(
        citizen_id=citizen_id, record_type=subject.record_type,
        record_number=subject.record_number,
    )
    return None if latest is None or latest.kept.is_void else latest


def _record(_keys: KeyProvider, citizen_id: UUID, subject: Subject) -> FoundItem | None:
    latest = _latest(citizen_id, subject)
    if latest is None:
        return None
    kept = latest.kept
    frozen = {
        "version": kept.version, "event_on": kept.event_on, "ends_on": kept.ends_on,
        "item": kept.item, "delivered_on": kept.delivered_on,
    }
    return FoundItem(_named(subject), frozen, kept.version, latest.source_id)


def _score_line(keys: KeyProvider, citizen_id: UUID, subject: Subject) -> FoundItem | None:
    latest = _latest(citizen_id, subject)
    if latest is None:
        return None
    shown = open_score(keys=keys, citizen_id=citizen_id, limit=ALL_LINES)
    name = (subject.record_type, subject.record_number)
    for one in shown.indicators:
        for line in one.lines:
            if one.indicator.code == subject.indicator and name == (
                line.record_type, line.record_number
            ):
                frozen = {
                    "total": shown.score.total, "tier": shown.score.tier,
                    "as_of_on": shown.score.as_of_on, "scheme": shown.scheme.code,
                    "scheme_version": shown.scheme.version, "indicator_points": one.points,
                    "line_value": plain(line.value), "not_counted": line.not_counted,
                }
                return FoundItem(_named(subject), frozen, line.version, latest.source_id)
    return None


def _named(subject: Subject) -> Item:
    assert subject.record_type is not None
    assert subject.record_number is not None
    return Item.of_record(subject.record_type, subject.record_number)


def _redemption(_keys: KeyProvider, citizen_id: UUID, subject: Subject) -> FoundItem | None:
    assert subject.item_id is not None
    held = find_voucher(citizen_id=citizen_id, voucher_id=subject.item_id)
    if held is None or held.status not in REDEEMED:
        return None
    frozen = {
        "benefit_code": held.benefit_code, "status": held.status,
        "price_points": held.price_points, "ended_at": held.ended_at,
    }
    return FoundItem(Item(REDEMPTION, str(subject.item_id)), frozen)


def _claim(_keys: KeyProvider, citizen_id: UUID, subject: Subject) -> FoundItem | None:
    assert subject.item_id is not None
    refused = find_refused_claim(citizen_id=citizen_id, voucher_id=subject.item_id)
    if refused is None:
        return None
    code, details = refused
    return FoundItem(Item(CLAIM, str(subject.item_id)), {"refusal_code": code, "details": details})


def _order(_keys: KeyProvider, citizen_id: UUID, subject: Subject) -> FoundItem | None:
    assert subject.item_id is not None
    order = find_order(citizen_id=citizen_id, order_id=subject.item_id)
    if order is None:
        return None
    frozen = {
        "state": order.state, "held_fen": order.held_fen, "billed_fen": order.billed_fen,
        "owed_fen": order.owed_fen,
    }
    return FoundItem(Item(ORDER, str(subject.item_id)), frozen)


def _repair(_keys: KeyProvider, citizen_id: UUID, subject: Subject) -> FoundItem | None:
    assert subject.item_id is not None
    rejected = find_rejected(citizen_id=citizen_id, application_id=subject.item_id)
    if rejected is None:
        return None
    frozen = {
        "record_type": rejected.line.record_type, "record_number": rejected.line.record_number,
        "state": rejected.line.state, "decided_at": rejected.line.decided_at,
    }
    return FoundItem(Item(REPAIR, str(subject.item_id)), frozen)


_FINDERS: Final[Mapping[str, Callable[[KeyProvider, UUID, Subject], FoundItem | None]]] = {
    RECORD: _record, SCORE_LINE: _score_line, REDEMPTION: _redemption, CLAIM: _claim,
    ORDER: _order, REPAIR: _repair,
}
