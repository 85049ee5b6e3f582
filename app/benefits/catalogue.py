"""Catalogue files: benefits as data (TOML), linted before anything of them is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from app.benefits.checks import (
    HOURS_OF_A_DAY,
    SECONDS_OF_AN_HOUR,
    check_catalogue,
    second_of_day,
)
from app.benefits.keys import CATALOGUE
from app.kernel.keyed_documents import (
    Fault,
    Finding,
    KeyedDocumentError,
    load_toml,
    locate_findings,
    read_keys,
)

DIRECTORY: Final = Path(__file__).parent / "catalogues"
ALL_WEEKDAYS: Final = (1, 2, 3, 4, 5, 6, 7)
ANNUL_WINDOW_SECONDS: Final = 900


class BadCatalogueError(KeyedDocumentError):
    """The file cannot be published; every line of the message names a key."""


@dataclass(frozen=True)
class CatalogueEntry:
    """One version of a benefit as the file says it; `stock` None means unlimited."""

    code: str
    version: int
    name: str
    kind: str
    baseline: Mapping[str, Any]
    tiers: Mapping[str, Mapping[str, Any]]
    score_steps: tuple[Mapping[str, Any], ...]
    honours: tuple[Mapping[str, Any], ...]
    price_points: int
    consent_purpose: str | None
    valid_from: date
    valid_to: date | None
    weekdays: tuple[int, ...]
    open_from: time | None
    open_until: time | None
    claim_limit_count: int | None
    claim_limit_period: str | None
    claim_limits: tuple[Mapping[str, Any], ...]
    voucher_life_seconds: int
    annul_window_seconds: int
    slot_seconds: int | None
    slot_capacity: int | None
    slot_days_ahead: int | None
    slot_give_back_seconds: int | None
    stock: int | None
    subsidy_payer: str | None
    subsidy_fen: int
    budget_fen: int | None
    confirm_above_fen: int | None
    offline_allowed: bool
    offline_worth_fen: int | None
    offline_unsent_max: int | None
    stacking_group: str | None
    at_all_merchants: bool
    content_digest: bytes


def parse_catalogue(document: str) -> list[CatalogueEntry]:
    """Read and lint a file; BadCatalogueError names everything that is wrong with it."""
    root = load_toml(document, name="catalogue", error=BadCatalogueError)
    findings: list[Finding] = []
    read = read_keys(CATALOGUE, root, (), findings)
    check_catalogue(read, findings)
    if findings:
        faults = locate_findings(document, root, findings, name="catalogue")
        raise BadCatalogueError(faults)
    raws = root["benefit"]
    return [_entry(one, raw) for one, raw in zip(read["benefit"], raws, strict=True)]


def lint_catalogue(document: str) -> tuple[Fault, ...]:
    """Everything that is wrong with a file, in the order of its lines; nothing: it is good."""
    try:
        parse_catalogue(document)
    except BadCatalogueError as error:
        return error.faults
    return ()


def changed_version(entry: CatalogueEntry) -> BadCatalogueError:
    """The error that a published version has other content in this file."""
    place = f"catalogue.benefit {entry.code}"
    return BadCatalogueError(
        [Fault(1, place, f"{entry.code} {entry.version} is published with other content")]
    )


def unknown_honour(entry: CatalogueEntry, record_type: str) -> BadCatalogueError:
    """The error that the information catalogue has no such records, or none to be honoured for."""
    place = f"catalogue.benefit {entry.code}.honour"
    return BadCatalogueError(
        [Fault(1, place, f"no positive records of type {record_type} with these items are known")]
    )


def _entry(one: Mapping[str, Any], raw: Mapping[str, Any]) -> CatalogueEntry:
    subsidy, slots = one.get("subsidy", {}), one.get("slots", {})
    limits = [one["claim_limit"]] if "claim_limit" in one else one.get("claim_limits", [])
    shortest: Mapping[str, Any] = next(iter(limits), {})
    slot_seconds = _slot_seconds(one)
    canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    return CatalogueEntry(
        code=one["code"],
        version=one["version"],
        name=one["name"],
        kind=one["kind"],
        baseline=one["baseline"],
        tiers=one.get("tiers", {}),
        score_steps=tuple(one.get("step", ())),
        honours=tuple(one.get("honour", ())),
        price_points=one.get("price_points", 0),
        consent_purpose=one.get("consent_purpose"),
        valid_from=one["valid_from"],
        valid_to=one.get("valid_to"),
        weekdays=tuple(one.get("weekdays", ALL_WEEKDAYS)),
        open_from=one.get("open_from"),
        open_until=one.get("open_until"),
        claim_limit_count=shortest.get("count"),
        claim_limit_period=shortest.get("period"),
        claim_limits=tuple(limits),
        voucher_life_seconds=one.get("voucher_life_seconds", slot_seconds),
        annul_window_seconds=one.get("annul_window_seconds", ANNUL_WINDOW_SECONDS),
        slot_seconds=slot_seconds,
        slot_capacity=slots.get("capacity"),
        slot_days_ahead=slots.get("days_ahead"),
        slot_give_back_seconds=slots.get("give_back_before_seconds"),
        stock=one.get("stock"),
        subsidy_payer=subsidy.get("payer"),
        subsidy_fen=subsidy.get("fen", 0),
        budget_fen=one.get("budget_fen"),
        confirm_above_fen=one.get("confirm_above_fen"),
        offline_allowed=one.get("offline_allowed", False),
        offline_worth_fen=one.get("offline_worth_fen"),
        offline_unsent_max=one.get("offline_unsent_max"),
        stacking_group=one.get("stacking_group"),
        at_all_merchants=one["merchants"] == "all",
        content_digest=sha256(canonical).digest(),
    )


def _slot_seconds(one: Mapping[str, Any]) -> int | None:
    """How long a slot is: so many hours, or as long as a day is open."""
    if "slots" not in one:
        return None
    if "hours" in one["slots"]:
        return int(one["slots"]["hours"]) * SECONDS_OF_AN_HOUR
    if "open_from" not in one:
        return HOURS_OF_A_DAY * SECONDS_OF_AN_HOUR
    return second_of_day(one["open_until"]) - second_of_day(one["open_from"])
