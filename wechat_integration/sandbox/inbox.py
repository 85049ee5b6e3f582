"""Subscribe messages: what users accepted, and what was sent to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

ERRCODE_OPENID = 40003
ERRCODE_TEMPLATE = 40037
ERRCODE_NOT_ACCEPTED = 43101
ERRCODE_DATA = 47003

_KEY = re.compile(r"([a-z_]+)[0-9]{1,3}")
_MOST_CHARS = {
    "thing": 20,
    "number": 32,
    "letter": 32,
    "symbol": 5,
    "character_string": 32,
    "time": 32,
    "date": 32,
    "amount": 16,
    "phone_number": 17,
    "car_number": 8,
    "name": 20,
    "phrase": 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message as its receiver would see it; ``sent_at_seconds`` is the sandbox's time."""

    openid: str
    template_id: str
    page: str | None
    data: Mapping[str, str]
    sent_at_seconds: float


class Inbox:
    """One send per accept of a template, as for one-time subscriptions."""

    def __init__(self) -> None:
        self.sent: list[SentMessage] = []
        self._accepts: Counter[tuple[str, str]] = Counter()
        self._users: set[str] = set()

    def meet(self, openid: str) -> None:
        """Remember that this user exists."""
        self._users.add(openid)

    def accept(self, openid: str, template_id: str, count: int) -> None:
        """Add to the number of messages the user allows."""
        self.meet(openid)
        self._accepts[openid, template_id] += count

    def send(self, message: SentMessage) -> int:
        """Deliver the message and return 0, or return WeChat's number and keep nothing."""
        if message.openid not in self._users:
            return ERRCODE_OPENID
        if not message.template_id:
            return ERRCODE_TEMPLATE
        if self._accepts[message.openid, message.template_id] <= 0:
            return ERRCODE_NOT_ACCEPTED
        self._accepts[message.openid, message.template_id] -= 1
        self.sent.append(message)
        return 0


def message_data(document: object) -> dict[str, str] | None:
    """Return the texts of a template's keys, or None where WeChat would answer 47003.

    The lengths are those of the template parameters in WeChat's documentation of sendMessage.
    """
    if not isinstance(document, dict) or not document:
        return None
    texts = {key: _text(key, value) for key, value in document.items()}
    return {key: text for key, text in texts.items() if text} if all(texts.values()) else None


def _text(key: object, value: object) -> str | None:
    kind = _KEY.fullmatch(key) if isinstance(key, str) else None
    text = value.get("value") if isinstance(value, dict) else None
    if kind is None or not isinstance(text, str):
        return None
    return text if len(text) <= _MOST_CHARS.get(kind[1], 0) else None
