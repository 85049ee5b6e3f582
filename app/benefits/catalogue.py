"""Catalogue files: benefits as data (TOML), linted before anything of them is published."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from hashlib import sha256
from typing import Any, Final

import orjson

from app.benefits.values import lint_benefit

KINDS: Final = ("entitlement", "ticket")
PERIODS: Final = ("day", "week", "month", "year", "ever")
ALL_WEEKDAYS: Final = (1, 2, 3, 4, 5, 6, 7)
ANNUL_WINDOW_SECONDS: Final = 900
_REQUIRED: Final = {
    "code": str, "version": int, "name": str, "kind": str, "baseline": dict, "tiers": dict,
    "valid_from": date, "merchants": str, "voucher_life_seconds": int,
}  # fmt: skip
_OPTIONAL: Final = {
    "price_points": int, "consent_purpose": str, "valid_to": date, "weekdays": list,
    "open_from": time, "open_until": time, "claim_limit": dict, "annul_window_seconds": int,
    "stock": int, "offline_allowed": bool, "illustrative": list,
}  # fmt: skip


class BadCatalogueError(ValueError):
    """The file cannot be published; every problem is named."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class CatalogueEntry:
    """One version of a benefit as the file says it; `stock` None means unlimited."""

    code: str
    version: int
    name: str
    kind: str
    baseline: Mapping[str, Any]
    tiers: Mapping[str, Mapping[str, Any]]
    price_points: int
    consent_purpose: str | None
    valid_from: date
    valid_to: date | None
    weekdays: tuple[int, ...]
    open_from: time | None
    open_until: time | None
    claim_limit_count: int | None
    claim_limit_period: str | None
    voucher_life_seconds: int
    annul_window_seconds: int
    stock: int | None
    at_all_merchants: bool
    offline_allowed: bool
    content_digest: bytes


def parse_catalogue(text: str) -> list[CatalogueEntry]:
    """Read and lint a file; BadCatalogueError names everything that is wrong with it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadCatalogueError([str(error)]) from error
    problems = [f"{key} is unknown" for key in set(document) - {"programme", "tiers", "benefit"}]
    tier_order = document.get("tiers", [])
    entries = []
    for raw in document.get("benefit", []):
        name = f"{raw.get('code')} {raw.get('version')}"
        found = _lint_entry(raw, tier_order)
        problems += [f"{name}: {problem}" for problem in found]
        if not found:
            entries.append(_entry(raw))
    if len({(entry.code, entry.version) for entry in entries}) < len(entries):
        problems.append("a version of a benefit stands here twice")
    if problems:
        raise BadCatalogueError(problems)
    return entries


def _lint_entry(raw: Mapping[str, Any], tier_order: list[str]) -> list[str]:
    kinds = {**_REQUIRED, **_OPTIONAL}
    problems = [f"{key} is missing" for key in _REQUIRED if key not in raw]
    problems += [f"{key} is unknown" for key in raw if key not in kinds]
    problems += [
        f"{key} has the wrong type"
        for key, given in raw.items()
        if key in kinds and type(given) is not kinds[key]
    ]
    if problems:
        return problems
    return _lint_facts(raw) + lint_benefit(
        baseline=raw["baseline"], tiers=raw["tiers"], tier_order=tier_order
    )


def _lint_facts(raw: Mapping[str, Any]) -> list[str]:
    limit = raw.get("claim_limit")
    rules = {
        "kind": raw["kind"] in KINDS,
        "merchants": raw["merchants"] in {"all", "listed"},
        "version": raw["version"] > 0,
        "price_points": raw.get("price_points", 0) >= 0,
        "voucher_life_seconds": raw["voucher_life_seconds"] > 0,
        "annul_window_seconds": raw.get("annul_window_seconds", 0) >= 0,
        "valid_to": raw.get("valid_to", raw["valid_from"]) >= raw["valid_from"],
        "weekdays": set(raw.get("weekdays", ALL_WEEKDAYS)) <= set(ALL_WEEKDAYS),
        "stock": raw.get("stock", 0) >= 0,
        "open_from and open_until": _hours_fit(raw.get("open_from"), raw.get("open_until")),
        "claim_limit": limit is None or _limit_fits(limit),
    }
    return [f"{name} does not fit" for name, holds in rules.items() if not holds]


def _hours_fit(open_from: time | None, open_until: time | None) -> bool:
    if open_from is None or open_until is None:
        return open_from is open_until
    return open_from < open_until


def _limit_fits(limit: Mapping[str, Any]) -> bool:
    if set(limit) != {"count", "period"} or type(limit["count"]) is not int:
        return False
    return limit["count"] > 0 and limit["period"] in PERIODS


def _entry(raw: Mapping[str, Any]) -> CatalogueEntry:
    limit = raw.get("claim_limit", {})
    canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    return CatalogueEntry(
        code=raw["code"],
        version=raw["version"],
        name=raw["name"],
        kind=raw["kind"],
        baseline=raw["baseline"],
        tiers=raw["tiers"],
        price_points=raw.get("price_points", 0),
        consent_purpose=raw.get("consent_purpose"),
        valid_from=raw["valid_from"],
        valid_to=raw.get("valid_to"),
        weekdays=tuple(raw.get("weekdays", ALL_WEEKDAYS)),
        open_from=raw.get("open_from"),
        open_until=raw.get("open_until"),
        claim_limit_count=limit.get("count"),
        claim_limit_period=limit.get("period"),
        voucher_life_seconds=raw["voucher_life_seconds"],
        annul_window_seconds=raw.get("annul_window_seconds", ANNUL_WINDOW_SECONDS),
        stock=raw.get("stock"),
        at_all_merchants=raw["merchants"] == "all",
        offline_allowed=raw.get("offline_allowed", False),
        content_digest=sha256(canonical).digest(),
    )
