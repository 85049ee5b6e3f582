"""The rules of the Jinhua scheme a second time, in plain Python: nothing here comes from `app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

HONOURS = {"国家级": ("201", 80), "省级": ("202", 50), "市级": ("203", 30), "县级": ("204", 15),
           "乡镇级": ("204", 8), "单位级": ("204", 5), "一等功": ("205", 120),
           "二等功": ("206", 80), "三等功": ("207", 40)}  # fmt: skip
DEEDS = {"见义勇为": 60, "救死扶伤": 40, "孝老爱亲": 20, "拾金不昧": 10}
DEED_POINTS = {"见义勇为": 50, "救死扶伤": 40, "孝老爱亲": 30, "拾金不昧": 10}
COURSES = {"讲师": "10", "线下": "4", "线上": "2.5"}
STARS = {"五星": 30, "四星": 20, "三星": 10}
CAPS = {"101": 100, "102": 100, "103": 100, "104": 100, "105": 100, "201": 160, "202": 100,
        "203": 90, "204": 45, "205": 120, "206": 160, "207": 120, "301": 80, "302": 45, "303": 50,
        "304": 40, "305": 80, "401": 50, "402": 30, "403": 25}  # fmt: skip
VALID = {"201": 1825, "202": 1825, "203": 1095, "204": 730, "303": 730, "305": 1095, "402": 730}
FOR_EVER = {"205", "206", "207"}
DIMENSIONS = {"1": 500, "2": 200, "3": 200, "4": 100}


@dataclass
class Said:
    """A good row: `values` are the numbers of the row; `item` its level, kind or star."""

    kind: str
    number: str
    version: int
    void: bool
    event_on: date
    delivered_on: date
    item: str = ""
    values: tuple[str, ...] = ()


def in_force(rows: list[Said], on: date) -> list[Said]:
    """The records that are live on a day."""
    held: dict[tuple[str, str], Said] = {}
    for row in rows:
        before = held.get((row.kind, row.number))
        if row.delivered_on <= on and (before is None or row.version > before.version):
            held[row.kind, row.number] = row
    return [row for row in held.values() if not row.void and row.kind != "points_orders"]


def indicators_of(row: Said) -> list[str]:
    found = {
        "public_credit": ["101", "102", "103", "104", "105"], "volunteer_hours": ["301"],
        "community_service": ["302"], "blood_donations": ["303"], "charity_donations": ["304"],
        "good_deeds": ["305"],
    }  # fmt: skip
    if row.kind == "honours":
        return [HONOURS[row.item][0]]
    if row.kind == "civility":
        return ["401" if row.item in COURSES else "402" if row.item in STARS else "403"]
    return found[row.kind]


def exact(indicator: str, rows: list[Said]) -> Decimal:  # noqa: PLR0911 -- one rule, one line
    if indicator < "200":
        latest = max(rows, key=lambda row: (row.event_on, row.number))
        return Decimal(latest.values[int(indicator) - 101]) * Decimal("0.5")
    if indicator == "205":
        return Decimal(120)
    if indicator < "300":
        return Decimal(sum(HONOURS[row.item][1] for row in rows))
    if indicator == "304":
        return sum((Decimal(row.values[0]) for row in rows), Decimal(0)) // 100
    if indicator == "402":
        return Decimal(max(STARS[row.item] for row in rows))
    if indicator == "403":
        return len({(row.event_on.year, row.event_on.month) for row in rows}) * Decimal("2.5")
    worth: dict[str, Callable[[Said], Decimal]] = {
        "301": lambda row: Decimal(row.values[0]) / 2, "302": lambda _: Decimal(3),
        "303": lambda _: Decimal(10), "305": lambda row: Decimal(DEEDS[row.item]),
        "401": lambda row: Decimal(COURSES[row.item]),
    }  # fmt: skip
    return sum((worth[indicator](row) for row in rows), Decimal(0))


def score(rows: list[Said], on: date) -> tuple[dict[str, int], dict[str, int], int]:
    """Indicators (those with points), dimensions, total."""
    feeding: dict[str, list[Said]] = {}
    for row in in_force(rows, on):
        for code in indicators_of(row):
            ends = row.event_on + timedelta(days=VALID.get(code, 365))
            if row.event_on <= on and (code in FOR_EVER or on < ends):
                feeding.setdefault(code, []).append(row)
    points = {
        code: min(int(exact(code, found).quantize(Decimal(1), ROUND_HALF_UP)), CAPS[code])
        for code, found in feeding.items()
    }
    dimensions = {
        dimension: min(sum(p for code, p in points.items() if code[0] == dimension), cap)
        for dimension, cap in DIMENSIONS.items()
    }
    shown = {code: value for code, value in points.items() if value}
    return shown, dimensions, min(sum(dimensions.values()), 1000)


@dataclass
class Lot:
    expires_on: date
    order: int
    granted: int
    left: int
    expired: int = 0


@dataclass
class Account:
    lots: list[Lot] = field(default_factory=list)
    grants: dict[tuple[str, str], tuple[str, date, Lot | None]] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    shortfall: int = 0

    def expire(self, on: date) -> None:
        for lot in self.lots:
            if lot.expires_on <= on:
                lot.expired, lot.left = lot.expired + lot.left, 0

    def take(self, amount: int, first: list[Lot | None]) -> int:
        later = sorted(self.lots, key=lambda lot: (lot.expires_on, lot.order))
        for lot in [*(lot for lot in first if lot), *later]:
            part = min(amount, lot.left)
            lot.left, amount = lot.left - part, amount - part
        return amount

    def grant(self, row: Said) -> tuple[str, date, Lot | None] | None:
        rules: dict[str, Callable[[], int | None]] = {
            "volunteer_hours": lambda: int(Decimal(row.values[0])) * 10,
            "community_service": lambda: 20,
            "charity_donations": lambda: int(Decimal(row.values[0]) // 100) * 5,
            "good_deeds": lambda: DEED_POINTS[row.item],
            "civility": lambda: 10 if row.item in COURSES else None,
        }  # fmt: skip
        raw = rules[row.kind]() if row.kind in rules and not row.void else None
        if raw is None:
            return None
        code, day = indicators_of(row)[0], row.event_on
        used = sum(lot.granted for *at, lot in self.grants.values() if lot and at == [code, day])
        ends = row.event_on + timedelta(days=730)
        points = min(raw, 50 - used) if ends > row.delivered_on else 0
        lot = Lot(ends, len(self.lots), points, points) if points > 0 else None
        if lot:
            self.lots.append(lot)
        return code, row.event_on, lot

    def follow(self, row: Said) -> None:
        key = (row.kind, row.number)
        if row.version <= self.versions.get(key, 0):
            return
        self.expire(row.delivered_on)
        if row.kind == "points_orders":
            if int(row.values[0]) <= sum(lot.left for lot in self.lots):
                self.versions[key] = row.version
                self.take(int(row.values[0]), [])
            return
        self.versions[key] = row.version
        old, new = self.grants.pop(key, None), self.grant(row)
        if new:
            self.grants[key] = new
        if old and old[2]:
            lot = old[2]
            self.shortfall += self.take(lot.granted - lot.expired, [lot, new[2] if new else None])


def points(rows: list[Said], on: date) -> tuple[dict[date, int], int]:
    """What is left per expiry date, and the shortfall."""
    account = Account()
    for row in rows:
        if row.delivered_on <= on:
            account.follow(row)
    account.expire(on)
    left: dict[date, int] = {}
    for lot in account.lots:
        if lot.left:
            left[lot.expires_on] = left.get(lot.expires_on, 0) + lot.left
    return left, account.shortfall
