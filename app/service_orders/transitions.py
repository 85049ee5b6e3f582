"""The one table of what may follow what; the page docs/service-orders.md is drawn from it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a service order stands."""

    CREATED = "created"
    AGREED = "agreed"
    CONFIRMING = "confirming"
    IN_USE = "in_use"
    COMPLETED = "completed"
    CLAIMED = "claimed"
    BILL_DISPUTED = "bill_disputed"
    CLAIM_DISPUTED = "claim_disputed"
    PAID = "paid"
    REPAID = "repaid"
    RELEASED = "released"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a service order."""

    AGREE = "agree"  # the holder confirmed in WeChat, where the line asks for it
    START = "start"  # the clerk hands over, for an amount that needs no confirmation
    ASK = "ask"  # the clerk would hand over; the holder must confirm on the phone
    CONFIRM = "confirm"  # the holder confirms what the counter shows
    CANCEL = "cancel"
    EXPIRE = "expire"
    RELEASE = "release"  # returned, nothing to pay
    COMPLETE = "complete"  # a bill: the holder's own share is owed
    CLAIM = "claim"  # damaged or late: a part of the hold, or all of it, is owed
    DISPUTE = "dispute"
    UPHOLD = "uphold"  # the amount stays or gets smaller
    WAIVE = "waive"  # nothing of the amount stays
    PAY = "pay"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.CREATED, Event.START): State.IN_USE,
    (State.CREATED, Event.ASK): State.CONFIRMING,
    (State.CREATED, Event.CANCEL): State.CANCELLED,
    (State.CREATED, Event.EXPIRE): State.EXPIRED,
    (State.CREATED, Event.AGREE): State.AGREED,
    (State.AGREED, Event.START): State.IN_USE,
    (State.AGREED, Event.ASK): State.CONFIRMING,
    (State.AGREED, Event.CANCEL): State.CANCELLED,
    (State.AGREED, Event.EXPIRE): State.EXPIRED,
    (State.CONFIRMING, Event.CONFIRM): State.IN_USE,
    (State.CONFIRMING, Event.CANCEL): State.CANCELLED,
    (State.CONFIRMING, Event.EXPIRE): State.EXPIRED,
    (State.IN_USE, Event.RELEASE): State.RELEASED,
    (State.IN_USE, Event.COMPLETE): State.COMPLETED,
    (State.IN_USE, Event.CLAIM): State.CLAIMED,
    (State.IN_USE, Event.EXPIRE): State.EXPIRED,
    (State.COMPLETED, Event.PAY): State.PAID,
    (State.COMPLETED, Event.DISPUTE): State.BILL_DISPUTED,
    (State.CLAIMED, Event.PAY): State.REPAID,
    (State.CLAIMED, Event.DISPUTE): State.CLAIM_DISPUTED,
    (State.BILL_DISPUTED, Event.UPHOLD): State.COMPLETED,
    (State.BILL_DISPUTED, Event.WAIVE): State.RELEASED,
    (State.BILL_DISPUTED, Event.PAY): State.PAID,
    (State.CLAIM_DISPUTED, Event.UPHOLD): State.CLAIMED,
    (State.CLAIM_DISPUTED, Event.WAIVE): State.RELEASED,
    (State.CLAIM_DISPUTED, Event.PAY): State.REPAID,
}
# While one of these lasts the amount is held; each ends at its deadline.
HOLDING: Final = frozenset({State.CREATED, State.AGREED, State.CONFIRMING, State.IN_USE})
# What is owed and not disputed: it is due, reminded of, and blocks new orders of its kind.
OWING: Final = frozenset({State.COMPLETED, State.CLAIMED})


def draw_transitions() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> created"]
    lines += [f"    {start} --> {end}: {event}" for (start, event), end in TRANSITIONS.items()]
    ended = [state for state in State if not any(start is state for start, _ in TRANSITIONS)]
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in ended)])
