"""What rentals and visits share: a line made by two operators, orders, the counter's acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.kernel.ids import new_id
from demo.api import Api
from demo.setting import Shop
from demo.telling import tell, yuan


@dataclass(frozen=True)
class Desk:
    """A counter, the line it takes, and who stands before it."""

    shop: Shop
    line_id: str
    holder: Api

    def order(self, amount_fen: int) -> str:
        """Order on the phone; the id."""
        body = {"order_id": str(new_id()), "line_id": self.line_id, "amount_fen": amount_fen}
        made = self.holder.post("/me/service-orders", body, expect=201)
        return str(made["order_id"])

    def own(self, order_id: str, verb: str, **values: object) -> Any:
        """An act of the holder on the phone."""
        return self.holder.post(
            f"/me/service-orders/{order_id}/{verb}", {"act_id": str(new_id()), **values}
        )

    def act(self, order_id: str, verb: str, **values: object) -> Any:
        """An act of the clerk, who scans the order's reference from the holder's phone."""
        shown = self.holder.get(f"/me/service-orders/{order_id}/reference")
        body = {
            "act_id": str(new_id()), "shop_id": self.shop.shop_id,
            "reference": shown["reference"], **values,
        }
        return self.shop.clerk.post(f"/service-orders/{verb}", body)


def open_line(operators: tuple[Api, Api], facts: dict[str, Any]) -> str:
    """One operator proposes a line, another confirms it; its id."""
    first, second = operators
    line_id = str(new_id())
    first.post(
        "/guarantee-lines", {"line_id": line_id, "reason": "已与担保方签约", **facts}, expect=201
    )
    line = second.post(f"/guarantee-lines/{line_id}/confirmation", {"reason": "复核无误，同意"})
    tiers = ", ".join(f"{tier} {yuan(fen)}" for tier, fen in sorted(line["tiers"].items()))
    tell(f"one operator proposes, another confirms: {line['name']}, for which "
         f"{line['guarantor_name']} stands, at a time {tiers}")  # fmt: skip
    return line_id


def tell_offer(holder: Api, line_id: str, name: str) -> None:
    """What somebody may use of a line, as the phone shows it."""
    [offer] = [
        one for one in holder.get("/me/guarantee-lines")["lines"]
        if one["line"]["line_id"] == line_id
    ]  # fmt: skip
    free = yuan(offer["available_fen"])
    tell(f"{name}'s phone: up to {yuan(offer['line_fen'])}, of which {free} is free now")


def tell_seen(seen: dict[str, Any]) -> None:
    """An order as the counter sees it, whole."""
    tell(f"   the counter sees: {seen['kind']} for {yuan(seen['held_fen'])}: {seen['state']}, "
         f"{yuan(seen['owed_fen'])} owed")  # fmt: skip
