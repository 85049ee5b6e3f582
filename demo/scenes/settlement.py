"""The last scene: what merchants are owed for this month, as their sheets show it."""

from __future__ import annotations

from app.kernel.clock import city_date, now
from demo.setting import Shop
from demo.telling import table, tell, yuan


def settle(shop: Shop) -> None:
    """The draft of this month's sheet; a month is closed by two operators when it is over."""
    month = f"{city_date(now()):%Y-%m}"
    sheet = shop.owner.get("/settlement/sheet", month=month)
    rows = [
        (
            f"{line['kind']} {line['what'] or ''}", line["party"] or "", line["origin_month_on"],
            line["item_count"], line["amount_points"], yuan(line["subsidy_fen"]),
            yuan(line["order_fen"]), yuan(line["owed_fen"]),
        )
        for line in sheet["lines"]
    ]  # fmt: skip
    sums = sheet["totals"]
    total = (
        "total", "", "", "", sums["amount_points"], yuan(sums["subsidy_fen"]), "",
        yuan(sums["owed_fen"]),
    )  # fmt: skip
    state = "frozen" if sheet["is_frozen"] else "a draft until two operators close the month"
    tell(f"{shop.name}, {month}: {state}")
    table(
        ("line", "payer", "month of origin", "count", "points", "subsidy", "of orders", "owed"),
        [*rows, total],
    )
