"""A small client of our own API for the demo; it stops at any answer it did not expect."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import pyotp

from demo.signing import Signing

PREFIX = "/api/v1"
UNFINISHED = {"waiting", "running"}
TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.3
WORK_SECONDS_MAX = 120.0  # for a large file, and for those before it


T = TypeVar("T")


class UnexpectedAnswerError(RuntimeError):
    """The service answered something that the journey does not allow for."""


@dataclass(frozen=True)
class Answer:
    """One answer: status, document and the exact bytes."""

    status: int
    document: Any
    content: bytes = field(repr=False)


class Api:
    """Calls on behalf of one person or machine; with neither token nor signature for nobody."""

    def __init__(
        self, *, base_url: str, token: str | None = None, signing: Signing | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._base_url = base_url
        self._http = httpx.Client(
            base_url=base_url + PREFIX, headers=headers, auth=signing, timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def signed_in(self, tokens: dict[str, Any]) -> Api:
        """The same service for the owner of these tokens."""
        return Api(base_url=self._base_url, token=tokens["access_token"])

    def signing(self, credential: dict[str, str]) -> Api:
        """The same service for the machine with this credential."""
        signing = Signing(
            credential_id=credential["credential_id"], secret=credential["secret"]
        )
        return Api(base_url=self._base_url, signing=signing)

    def get(self, path: str, *, expect: int = 200, **query: str) -> Any:
        """GET a document."""
        return self._answer(self._http.get(path, params=query), expect).document

    def get_bytes(self, path: str) -> bytes:
        """GET a picture, or other bytes."""
        return self._answer(self._http.get(path), 200).content

    def post(self, path: str, body: dict[str, Any] | None = None, *, expect: int = 200) -> Any:
        """POST a document and read the one that comes back."""
        return self.send(path, body, expect=expect).document

    def send(self, path: str, body: dict[str, Any] | None = None, *, expect: int = 200) -> Answer:
        """POST a document; the answer with its exact bytes."""
        return self._answer(self._http.post(path, json=body), expect)

    def upload(self, path: str, form: dict[str, str], *, name: str, content: bytes) -> Any:
        """POST a form with one file; its report, for which a large file makes one wait."""
        sent = self._http.post(path, data=form, files={"file": (name, content)})
        deadline = time.monotonic() + WORK_SECONDS_MAX
        while sent.is_success and sent.json()["status"] in UNFINISHED:
            if time.monotonic() > deadline:
                message = f"{path}: not finished: {sent.text[:500]}"
                raise UnexpectedAnswerError(message)
            time.sleep(POLL_SECONDS)
            address = sent.headers.get("Location") or sent.request.url.path
            sent = self._http.get(httpx.URL(self._base_url).join(address))
        return self._answer(sent, 200).document

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @staticmethod
    def _answer(response: httpx.Response, expect: int) -> Answer:
        if response.status_code != expect:
            message = (
                f"{response.request.method} {response.request.url.path}: "
                f"{response.status_code} instead of {expect}: {response.text[:500]}"
            )
            raise UnexpectedAnswerError(message)
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        is_json = response.content and media_type.endswith("json")  # lines of JSON are bytes
        return Answer(response.status_code, response.json() if is_json else None, response.content)


def sign_in_staff(api: Api, *, username: str, password: str, totp_uri: str) -> Api:
    """The API for a staff member, signed in with password and authenticator."""
    totp = pyotp.parse_uri(totp_uri)
    assert isinstance(totp, pyotp.TOTP)
    body = {"username": username, "password": password, "totp": totp.now()}
    return api.signed_in(api.post("/sign-in/staff", body))


def wait_for(look: Callable[[], T | None], *, what: str) -> T:
    """Look until there is something, for what the worker does by itself soon."""
    deadline = time.monotonic() + WORK_SECONDS_MAX
    while (found := look()) is None:
        if time.monotonic() > deadline:
            message = f"{what}: not within {WORK_SECONDS_MAX:.0f} seconds"
            raise UnexpectedAnswerError(message)
        time.sleep(POLL_SECONDS)
    return found
