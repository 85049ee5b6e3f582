"""One question to WeChat and its answer: bounded repeats, and only the fields that were asked for.

WeChat answers with HTTP 200 and JSON even when it refuses; ``errcode`` tells (0 or absent means
success), and the content type may be text/plain. A field the caller did not name is dropped
where the answer is decoded, so what must not travel further (``session_key``) never does.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from wechat_integration.errors import (
    DEFAULT_RETRY_AFTER_SECONDS,
    ERRCODE_BUSY,
    RATE_WINDOW_SECONDS,
    WeChatAnswerInvalid,
    WeChatError,
    WeChatRateLimited,
    WeChatUnavailable,
)
from wechat_integration.transport import (
    AnswerLost,
    AnswerUnusable,
    BoundedHttp,
    HttpAnswer,
    HttpCall,
    HttpFailure,
    RequestNotSent,
    repeated,
)

if TYPE_CHECKING:
    from wechat_integration.network import Deadline


class Effect(enum.Enum):
    """What a call leaves behind, which decides when it may be repeated.

    NOTHING may be repeated freely. A MESSAGE is repeated when it was never sent, or when WeChat
    declined it as busy (-1). A SPENT_CODE is repeated only when not a byte of it left: a busy
    service may have consumed the code before it gave up, and nothing tells.
    """

    NOTHING = "nothing"
    MESSAGE = "message"
    SPENT_CODE = "spent_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeChatAnswer:
    """WeChat's number and the fields that the caller named; the fields never show."""

    errcode: int
    fields: dict[str, object] = field(repr=False)


class WeChatCaller:
    """Asks one WeChat server; safe to share between threads."""

    def __init__(self, *, http: BoundedHttp) -> None:
        self._http = http

    def ask(
        self, *, call: HttpCall, effect: Effect, keep: frozenset[str], deadline: Deadline
    ) -> WeChatAnswer:
        """Return the answer, whatever its errcode but busy, after at most two repeats.

        Raises WeChatUnavailable, WeChatRateLimited (HTTP 429) or WeChatAnswerInvalid, always
        before the deadline.
        """
        outcome = repeated(
            attempt=lambda: self._attempt(call, effect, keep, deadline),
            may_repeat=lambda outcome: _may_repeat(outcome, effect),
            deadline=deadline,
        )
        if isinstance(outcome, HttpFailure):
            raise _lost(outcome, effect)
        if isinstance(outcome, WeChatError):
            raise outcome
        if outcome.errcode == ERRCODE_BUSY:
            raise WeChatUnavailable(reason="busy", outcome_unknown=effect is Effect.SPENT_CODE)
        return outcome

    def _attempt(
        self, call: HttpCall, effect: Effect, keep: frozenset[str], deadline: Deadline
    ) -> WeChatAnswer | HttpFailure | WeChatError:
        try:
            answer = self._http.send(call=call, deadline=deadline)
        except HttpFailure as failure:
            return failure
        if answer.status != HTTPStatus.OK:
            return _status_error(answer, effect)
        return _read_answer(answer, effect, keep)


def _may_repeat(outcome: WeChatAnswer | HttpFailure | WeChatError, effect: Effect) -> bool:
    if isinstance(outcome, WeChatAnswer):
        return outcome.errcode == ERRCODE_BUSY and effect is not Effect.SPENT_CODE
    return isinstance(outcome, RequestNotSent)


def _lost(failure: HttpFailure, effect: Effect) -> WeChatError:
    leaves_something = effect is not Effect.NOTHING
    if isinstance(failure, AnswerUnusable):
        return WeChatAnswerInvalid(reason=failure.reason, outcome_unknown=leaves_something)
    unknown = leaves_something and isinstance(failure, AnswerLost)
    return WeChatUnavailable(reason=failure.reason, outcome_unknown=unknown)


def _read_answer(
    answer: HttpAnswer, effect: Effect, keep: frozenset[str]
) -> WeChatAnswer | WeChatError:
    unknown = effect is not Effect.NOTHING
    fields = _decoded(answer.body, keep | {"errcode"})
    if fields is None:
        return WeChatAnswerInvalid(reason="not_json", outcome_unknown=unknown)
    errcode = fields.get("errcode", 0)
    if type(errcode) is not int:
        return WeChatAnswerInvalid(reason="errcode", outcome_unknown=unknown)
    return WeChatAnswer(errcode=errcode, fields=fields)


def _status_error(answer: HttpAnswer, effect: Effect) -> WeChatError:
    reason, unknown = f"http_{answer.status}", effect is not Effect.NOTHING
    wait_seconds = answer.retry_after_seconds
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return WeChatUnavailable(
            reason=reason,
            retry_after_seconds=wait_seconds or DEFAULT_RETRY_AFTER_SECONDS,
            outcome_unknown=unknown,
        )
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return WeChatRateLimited(
            errcode=None, retry_after_seconds=wait_seconds or RATE_WINDOW_SECONDS
        )
    return WeChatAnswerInvalid(reason=reason, outcome_unknown=unknown)


def _decoded(body: bytes, keep: frozenset[str]) -> dict[str, object] | None:
    """Return the named fields of a JSON object, or None; a parser's exception holds the body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    return {name: value for name, value in document.items() if name in keep}
