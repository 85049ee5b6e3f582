"""What rentals and visits share: a line made by two operators, orders, the counter's acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.kernel.clock import city_date, now
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
    assess(operators, "sensitive" if facts["kind"] == "clinic" else "sharing", facts["kind"])
    line_id = str(new_id())
    first.post(
        "/guarantee-lines", {"line_id": line_id, "reason": "已与担保方签约", **facts}, expect=201
    )
    line = second.post(f"/guarantee-lines/{line_id}/confirmation", {"reason": "复核无误，同意"})
    tiers = ", ".join(f"{tier} {yuan(fen)}" for tier, fen in sorted(line["tiers"].items()))
    tell(f"one operator proposes, another confirms: {line['name']}, for which "
         f"{line['guarantor_name']} stands, at a time {tiers}")  # fmt: skip
    return line_id


def assess(operators: tuple[Api, Api], kind: str, what: str) -> None:
    """One operator registers what an assessment found, another stands for it too."""
    first, second = operators
    assessment_id = str(new_id())
    first.post("/impact-assessments", {
        "assessment_id": assessment_id, "kind": kind, "title": "担保额度影响评估",
        "summary": "柜台只得知是否符合条件和可用额度，不涉及健康信息。", "covers": [what],
        "concluded_on": city_date(now()).isoformat(), "document_hash": "5e" * 32,
        "reason": "评估报告已通过评审",
    }, expect=201)
    second.post(f"/impact-assessments/{assessment_id}/confirmation", {"reason": "评估属实，同意"})


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
