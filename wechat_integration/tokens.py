"""The access token of the mini program: fetched once for all threads, renewed before it ends.

Facts of the interface (stable_token, normal mode): a token lives at most 7200 s; asking again
returns the same token until its last five minutes, in which a new one is given and both are
accepted. Several processes may therefore ask on their own; a shared store only saves requests.
Forced renewal (20 a day, for a leaked token) is an operator's act and not done here.
Source: https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wechat_integration.calls import Effect, WeChatAnswer, WeChatCaller
from wechat_integration.errors import (
    ERRCODES_TOKEN_INVALID,
    WeChatAnswerInvalid,
    WeChatError,
    WeChatRefused,
    WeChatUnavailable,
    raise_for_errcode,
)
from wechat_integration.transport import HttpCall

if TYPE_CHECKING:
    from wechat_integration.network import Deadline

RENEW_EARLY_SECONDS = 300
MAX_TOKEN_LIFE_SECONDS = 7200
MAX_TOKEN_CHARS = 4096
EARLY_RENEWAL_BUDGET_SECONDS = 1.0
PAUSE_BETWEEN_RENEWALS_SECONDS = 10.0

_log = logging.getLogger(__name__)


class TokenStore(Protocol):
    """A place that several processes share, for example Redis.

    It may fail in any way (that is logged and tolerated) but must bound its own time to a
    fraction of a second. What it keeps is a secret: it must not log values.
    """

    def get(self, key: str, /) -> str | None:
        """Return the value kept under the key, or None."""

    def set(self, key: str, value: str, /, *, ttl_seconds: int) -> None:
        """Keep the value for that many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """A token and, on this process's monotonic clock, when to renew and when it ends."""

    text: str = field(repr=False)
    renew_at_seconds: float
    ends_at_seconds: float


class StableTokenSource:
    """Gives the current token to any number of threads with one request at a time."""

    def __init__(
        self,
        *,
        app_id: str,
        app_secret: str,
        caller: WeChatCaller,
        store: TokenStore | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = _Credentials(app_id=app_id, app_secret=app_secret)
        self._caller = caller
        self._shelf = None if store is None else _Shelf(store, app_id, wall_clock)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._rejected: str | None = None
        self._flight: Future[_Token] | None = None

    def current(self, *, deadline: Deadline) -> str:
        """Return a usable token; threads that need one at once share one request and its end.

        In the last five minutes one caller renews while the others go on with the old token; a
        failed renewal is logged and tried again ten seconds later. Raises a WeChatError when
        there is no usable token and none could be had before the deadline.
        """
        with self._lock:
            old = self._usable()
            if old is not None and self._monotonic() < old.renew_at_seconds:
                return old.text
            flight, leads = self._join()
        if old is not None:
            return self._renewed(old, flight, deadline) if leads else old.text
        return (self._fetched(flight, deadline) if leads else _awaited(flight, deadline)).text

    def replace(self, *, rejected: str, deadline: Deadline) -> str:
        """Return a token after WeChat refused ``rejected``: another one if WeChat has one.

        Raises a WeChatError like ``current``. Of many threads whose token was refused at the
        same time, one asks; the others get its token.
        """
        with self._lock:
            self._rejected = rejected
            if self._token is not None and self._token.text == rejected:
                self._token = None
        return self.current(deadline=deadline)

    def _usable(self) -> _Token | None:
        token = self._token
        ended = token is None or self._monotonic() >= token.ends_at_seconds
        return None if ended else token

    def _join(self) -> tuple[Future[_Token], bool]:
        if self._flight is not None:
            return self._flight, False
        self._flight = Future()
        return self._flight, True

    def _renewed(self, old: _Token, flight: Future[_Token], deadline: Deadline) -> str:
        brief = deadline.capped(seconds=EARLY_RENEWAL_BUDGET_SECONDS)
        try:
            return self._fetched(flight, brief).text
        except WeChatError as failure:
            _log.warning("early token renewal failed: %s", failure)
        with self._lock:
            if self._token is old:
                self._token = self._timed(old.text, old.ends_at_seconds)
        return old.text

    def _fetched(self, flight: Future[_Token], deadline: Deadline) -> _Token:
        """Fetch for all; whatever happens here, nobody who waits is left waiting."""
        token: _Token | None = None
        failure: WeChatError = WeChatUnavailable(reason="token_request_ended")
        try:
            token = self._obtained(deadline)
        except WeChatError as refused:
            failure = refused
            raise
        finally:
            self._land(flight, token, failure)
        return token

    def _land(self, flight: Future[_Token], token: _Token | None, failure: WeChatError) -> None:
        with self._lock:
            self._flight = None
            self._token = self._token if token is None else token
        if token is None:
            flight.set_exception(failure)
        else:
            flight.set_result(token)

    def _obtained(self, deadline: Deadline) -> _Token:
        stored = self._stored()
        if stored is not None and self._monotonic() < stored.renew_at_seconds:
            return stored
        try:
            return self._requested(deadline)
        except WeChatError as failure:
            if stored is None:
                raise
            _log.warning("token renewal failed, the shared one is still good: %s", failure)
            return stored

    def _stored(self) -> _Token | None:
        # After a refusal the shared token is not believed either: it may be just as dead.
        if self._shelf is None or self._rejected is not None:
            return None
        found = self._shelf.take_down()
        if found is None:
            return None
        ends_at = self._monotonic() + found.life_seconds
        renew_at = ends_at - RENEW_EARLY_SECONDS
        return _Token(text=found.text, renew_at_seconds=renew_at, ends_at_seconds=ends_at)

    def _requested(self, deadline: Deadline) -> _Token:
        asked_at = self._monotonic()
        answer = self._caller.ask(
            call=self._credentials.token_call(),
            effect=Effect.NOTHING,
            keep=frozenset({"access_token", "expires_in"}),
            deadline=deadline,
        )
        fresh = _fresh_token(answer)
        self._rejected = None
        if self._shelf is not None:
            self._shelf.put_up(fresh)
        return self._timed(fresh.text, asked_at + fresh.life_seconds)

    def _timed(self, text: str, ends_at: float) -> _Token:
        """Return the token with its times; the next renewal is at least ten seconds away."""
        soonest = self._monotonic() + PAUSE_BETWEEN_RENEWALS_SECONDS
        renew_at = max(ends_at - RENEW_EARLY_SECONDS, soonest)
        return _Token(text=text, renew_at_seconds=renew_at, ends_at_seconds=ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credentials:
    app_id: str
    app_secret: str = field(repr=False)

    def token_call(self) -> HttpCall:
        body = {
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self.app_secret,
            "force_refresh": False,
        }
        return HttpCall(
            method="POST",
            path="/cgi-bin/stable_token",
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A token and how many seconds it has left."""

    text: str = field(repr=False)
    life_seconds: float


class _Shelf:
    """The shared store, whose failures never stop a call."""

    def __init__(self, store: TokenStore, app_id: str, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._key = f"wechat:stable_token:{app_id}"
        self._wall_clock = wall_clock

    def take_down(self) -> _Found | None:
        try:
            text = self._store.get(self._key)
        except Exception as failure:  # noqa: BLE001 - a store may fail in any way
            _log.warning("the shared token store cannot be read: %s", type(failure).__name__)
            return None
        return None if text is None else self._understood(text)

    def put_up(self, found: _Found) -> None:
        ends_at = self._wall_clock() + found.life_seconds
        value = json.dumps({"access_token": found.text, "ends_at_seconds": ends_at})
        try:
            self._store.set(self._key, value, ttl_seconds=max(1, int(found.life_seconds)))
        except Exception as failure:  # noqa: BLE001 - a store may fail in any way
            _log.warning("the shared token store cannot be written: %s", type(failure).__name__)

    def _understood(self, text: str) -> _Found | None:
        try:
            kept = json.loads(text)
            life = float(kept["ends_at_seconds"]) - self._wall_clock()
            token = kept["access_token"]
        except (ValueError, TypeError, KeyError, RecursionError):
            _log.warning("the shared token store holds something else under the token's key")
            return None
        if not _is_token(token) or not 0 < life <= MAX_TOKEN_LIFE_SECONDS:
            return None
        return _Found(text=token, life_seconds=life)


def _awaited(flight: Future[_Token], deadline: Deadline) -> _Token:
    with suppress(TimeoutError):
        return flight.result(timeout=max(0.0, deadline.left_seconds()))
    raise WeChatUnavailable(reason="token_wait")


def _fresh_token(answer: WeChatAnswer) -> _Found:
    if answer.errcode in ERRCODES_TOKEN_INVALID:  # here 40001 means: the app secret is wrong
        raise WeChatRefused(errcode=answer.errcode)
    raise_for_errcode(answer.errcode)
    token, life = answer.fields.get("access_token"), answer.fields.get("expires_in")
    if not isinstance(token, str) or not _is_token(token):
        raise WeChatAnswerInvalid(reason="access_token")
    if type(life) is not int or life <= 0:
        raise WeChatAnswerInvalid(reason="expires_in")
    return _Found(text=token, life_seconds=float(min(life, MAX_TOKEN_LIFE_SECONDS)))


def _is_token(text: object) -> bool:
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_TOKEN_CHARS
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )
