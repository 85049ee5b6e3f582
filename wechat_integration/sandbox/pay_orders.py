"""Pay Score's own orders and permissions: its states, its refusals, its amounts in fen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from wechat_integration.sandbox.clock import SandboxClock

UNTOUCHED_SECONDS: Final = 30 * 86_400
_STATE_WRONG: Final = "当前订单状态不合法"


class PayRefusal(Exception):
    """What Pay Score answers instead: status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class PayOrder:
    """One service order."""

    asked: dict[str, Any]
    openid: str
    state: str
    description: str | None
    made_at_seconds: float
    total: int | None = None
    post_payments: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """What every answer about it says."""
        found = {
            name: self.asked[name]
            for name in ("appid", "out_order_no", "service_id", "service_introduction", "risk_fund")
        }
        found |= {"state": self.state, "openid": self.openid}
        if self.description is not None:
            found["state_description"] = self.description
        if self.total is not None:
            collected = "USER_PAID" if self.state == "DONE" else "USER_PAYING"
            found |= {
                "total_amount": self.total, "post_payments": self.post_payments,
                "collection": {"state": collected, "total_amount": self.total},
            }  # fmt: skip
        return found


    def made(self) -> dict[str, Any]:
        """What the answer to its creation says: also what opens the page where users confirm."""
        if self.state != "CREATED":
            return self.document()
        return self.document() | {"package": f"mch_id=&package={self.asked['out_order_no']}"}


class PayOrders:
    """All orders and permissions; whoever uses it holds the world's lock."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._orders: dict[str, PayOrder] = {}
        self.permissions: set[str] = set()

    def create(self, asked: dict[str, Any]) -> PayOrder:
        """Make an order, or give the one that was made with the same parameters."""
        known = self._orders.get(str(asked.get("out_order_no")))
        if known is not None:
            if known.asked != asked:
                raise PayRefusal(400, "INVALID_REQUEST", "订单已存在且参数不一致")
            return known
        confirm = asked.get("need_user_confirm", True)
        openid = str(asked.get("openid", ""))
        if not confirm and openid not in self.permissions:
            raise PayRefusal(403, "NO_AUTH", "用户未授权服务")
        order = PayOrder(
            asked, openid, "CREATED" if confirm else "DOING", None if confirm else "USER_CONFIRM",
            self._clock.now_seconds(),
        )
        self._orders[str(asked["out_order_no"])] = order
        return order

    def find(self, out_order_no: str) -> PayOrder:
        """An order as it stands by now."""
        order = self._orders.get(out_order_no)
        if order is None:
            raise PayRefusal(404, "ORDER_NOT_EXIST", "订单不存在")
        age = self._clock.now_seconds() - order.made_at_seconds
        if order.state == "CREATED" and age >= UNTOUCHED_SECONDS:
            order.state = "EXPIRED"
        return order

    def confirm(self, out_order_no: str, openid: str) -> PayOrder:
        """The user confirms."""
        order = self._in_state(out_order_no, ("CREATED", None))
        order.state, order.description, order.openid = "DOING", "USER_CONFIRM", openid
        return order

    def cancel(self, out_order_no: str) -> PayOrder:
        """Cancel; again changes nothing."""
        order = self.find(out_order_no)
        if order.state not in {"CREATED", "DOING", "REVOKED"}:
            raise PayRefusal(400, "INVALID_REQUEST", _STATE_WRONG)
        order.state, order.description, order.total = "REVOKED", None, None
        return order

    def complete(self, out_order_no: str, asked: dict[str, Any]) -> PayOrder:
        """Take the bill; nothing to pay is done at once."""
        order = self._in_state(out_order_no, ("DOING", "USER_CONFIRM"))
        total = _total(asked)
        if total > order.asked["risk_fund"]["amount"]:
            raise PayRefusal(400, "PARAM_ERROR", "总金额超过服务风险金额")
        order.total, order.post_payments = total, asked["post_payments"]
        order.state, order.description = (
            ("DOING", "MCH_COMPLETE") if total else ("DONE", None)
        )
        return order

    def modify(self, out_order_no: str, asked: dict[str, Any]) -> PayOrder:
        """Lower what is to be paid."""
        order = self._in_state(out_order_no, ("DOING", "MCH_COMPLETE"))
        total = _total(asked)
        if order.total is None or total > order.total:
            raise PayRefusal(400, "PARAM_ERROR", "修改后金额不得大于原金额")
        order.total, order.post_payments = total, asked["post_payments"]
        return order

    def take_payment(self, out_order_no: str) -> PayOrder:
        """The debit works, or it was paid elsewhere."""
        order = self._in_state(out_order_no, ("DOING", "MCH_COMPLETE"))
        order.state, order.description = "DONE", None
        return order

    def documents(self) -> list[dict[str, Any]]:
        """Every order, the oldest first."""
        return [order.document() for order in self._orders.values()]

    def require_payable(self, out_order_no: str) -> PayOrder:
        """An order whose debit can be tried again."""
        return self._in_state(out_order_no, ("DOING", "MCH_COMPLETE"))

    def _in_state(self, out_order_no: str, wanted: tuple[str, str | None]) -> PayOrder:
        order = self.find(out_order_no)
        if (order.state, order.description) != wanted:
            raise PayRefusal(400, "INVALID_REQUEST", _STATE_WRONG)
        return order


def _total(asked: dict[str, Any]) -> int:
    paid = sum(one["amount"] for one in asked["post_payments"])
    off = sum(one["amount"] for one in asked.get("post_discounts", []))
    total: int = asked["total_amount"]
    if total != paid - off:
        raise PayRefusal(400, "PARAM_ERROR", "总金额与付费项目不符")
    return total
