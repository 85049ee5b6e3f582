"""The last scene: what the merchant is owed for this month, as its sheet shows it."""

from __future__ import annotations

from app.kernel.clock import city_date, now
from demo.setting import Shop
from demo.telling import table, tell


def settle(shop: Shop) -> None:
    """The draft of this month's sheet; a month is closed by two operators when it is over."""
    month = f"{city_date(now()):%Y-%m}"
    sheet = shop.owner.get("/settlement/sheet", month=month)
    rows = [
        (
            f"{line['kind']} {line['what'] or ''}", line["party"] or "", line["origin_month_on"],
            line["item_count"], line["amount_points"], line["subsidy_fen"], line["owed_fen"],
        )
        for line in sheet["lines"]
    ]  # fmt: skip
    sums = sheet["totals"]
    total = ("total", "", "", "", sums["amount_points"], sums["subsidy_fen"], sums["owed_fen"])
    header = ("line", "payer", "month of origin", "count", "points", "subsidy fen", "owed fen")
    table(header, [*rows, total])
    state = "frozen" if sheet["is_frozen"] else "a draft until two operators close the month"
    tell(f"{shop.name}, {month}: {state}; Excel and CSV: /api/v1/settlement/sheet.xlsx and .csv")
