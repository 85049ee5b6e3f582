"""The typed remote control of a running sandbox, for tests and the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from wechat_integration.sandbox.faults import FaultKind
from wechat_integration.sandbox.inbox import SentMessage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

TIMEOUT_SECONDS = 5.0

__all__ = ["FaultKind", "SandboxControl", "SentMessage"]


class SandboxControl:
    """Plays WeChat users, registered people, time and faults.

    A refused control request raises ``httpx.HTTPStatusError``.
    """

    def __init__(self, *, base_url: str) -> None:
        self._http = httpx.Client(
            base_url=f"{base_url}/sandbox", timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def issue_login_code(self, *, openid: str, unionid: str | None = None) -> str:
        """Return what ``wx.login`` would give this user: one use, five minutes."""
        return str(self._post("/login-codes", {"openid": openid, "unionid": unionid})["code"])

    def issue_phone_code(self, *, phone: str, country_code: str = "86") -> str:
        """Return what the phone-number button would give: one use, five minutes."""
        return str(
            self._post("/phone-codes", {"phone": phone, "country_code": country_code})["code"]
        )

    def block_user(self, *, openid: str) -> None:
        """Make WeChat hold the user for high-risk (40226), or the SMS service a phone number."""
        self._post("/blocked-users", {"openid": openid})

    def register_person(self, *, name: str, id_number: str) -> None:
        """Make the real-name service know a person."""
        self._post("/people", {"name": name, "id_number": id_number})

    def grant_accepts(self, *, openid: str, template_id: str, count: int = 1) -> None:
        """Let the user accept that many messages of the template."""
        self._post("/accepts", {"openid": openid, "template_id": template_id, "count": count})

    def sent_messages(self) -> list[SentMessage]:
        """Return the delivered messages, oldest first."""
        messages = self._read("/messages")["messages"]
        assert isinstance(messages, list)
        return [SentMessage(**message) for message in messages]

    def sent_pins(self, *, phone: str) -> list[str]:
        """Return the PINs that came to a phone, oldest first."""
        pins = self._read("/pins")["pins"]
        assert isinstance(pins, list)
        return [str(pin["pin"]) for pin in pins if pin["phone"] == phone]

    def sent_sms_notices(self, *, phone: str) -> list[str]:
        """Return what came to a phone as notices, oldest first."""
        notices = self._read("/sms-notices")["notices"]
        assert isinstance(notices, list)
        return [str(notice["what"]) for notice in notices if notice["phone"] == phone]

    def permit_pay_score(self, *, openid: str) -> None:
        """Let the user permit service orders without confirming each."""
        self._post("/pay-score/permit", {"openid": openid})

    def confirm_pay_score(self, *, out_order_no: str, openid: str) -> None:
        """Let the user confirm a service order; a notice goes out."""
        self._post("/pay-score/confirm", {"out_order_no": out_order_no, "openid": openid})

    def pay_pay_score(self, *, out_order_no: str) -> None:
        """Let the debit of a completed service order work; a notice goes out."""
        self._post("/pay-score/pay", {"out_order_no": out_order_no})

    def refund_pay_score(self, *, out_order_no: str, amount_fen: int) -> None:
        """Give money of a paid service order back, as somebody does on WeChat's own pages."""
        self._post("/pay-score/refund", {"out_order_no": out_order_no, "amount_fen": amount_fen})

    def pay_score_orders(self) -> list[dict[str, Any]]:
        """Return everything that WeChat knows of service orders, the oldest first."""
        orders = self._read("/pay-score/orders")["orders"]
        assert isinstance(orders, list)
        return orders

    def pay_notice_answers(self) -> list[int]:
        """Return the statuses that notices were answered with, 0 for none, once all are sent."""
        answer = self._http.get("/pay-score/notices", timeout=60.0)
        answer.raise_for_status()
        return [int(status) for status in answer.json()]

    def add_fault(
        self,
        *,
        kind: FaultKind,
        path: str | None = None,
        requests: int | None = None,
        seconds: float = 0.0,
        takes_effect: bool = False,
    ) -> None:
        """Put a fault in force: see Fault for the meaning of each part."""
        fault: dict[str, object] = {
            "kind": kind.value,
            "path": path,
            "seconds": seconds,
            "takes_effect": takes_effect,
        }
        self._post("/faults", fault if requests is None else {**fault, "requests": requests})

    def clear_faults(self) -> None:
        """Lift all faults and let hanging requests go on."""
        self._delete("/faults")

    def advance_clock(self, *, seconds: float) -> None:
        """Put the sandbox's clock forward."""
        self._post("/clock", {"seconds": seconds})

    def revoke_tokens(self) -> None:
        """End every access token, as somebody's forced renewal would."""
        self._delete("/access-tokens")

    def count_calls(self, *, path: str) -> int:
        """Return how many requests of the path arrived, spoilt ones included."""
        calls = self._read("/calls")["calls"]
        assert isinstance(calls, dict)
        return int(calls.get(path, 0))

    def reset(self) -> None:
        """Forget everything, lift faults, put the clock right."""
        self._post("/reset", {})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, object]:
        return _document(self._http.post(path, json=body))

    def _read(self, path: str) -> dict[str, object]:
        return _document(self._http.get(path))

    def _delete(self, path: str) -> dict[str, object]:
        return _document(self._http.delete(path))


def _document(answer: httpx.Response) -> dict[str, object]:
    answer.raise_for_status()
    document = answer.json()
    assert isinstance(document, dict)
    return document
