"""A scheme as data: read strictly from TOML; every error is told, with its line and its key."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from app.kernel.keyed_documents import (
    Fault,
    Finding,
    KeyedDocumentError,
    load_toml,
    locate_findings,
    read_keys,
)
from app.records.catalogue import Catalogue
from app.scoring.checks import check_scheme
from app.scoring.keys import SCHEME
from app.scoring.rules import (
    Among,
    Decay,
    Dimension,
    GrantRule,
    Indicator,
    Period,
    PointsRules,
    RankRule,
    Rule,
    Scheme,
    Step,
    Subject,
    Tier,
    Unit,
)

__all__ = [
    "DIRECTORY",
    "Among",
    "Decay",
    "Dimension",
    "GrantRule",
    "Indicator",
    "Period",
    "PointsRules",
    "RankRule",
    "Rule",
    "Scheme",
    "SchemeError",
    "Step",
    "Subject",
    "Tier",
    "Unit",
    "catalogue_code",
    "lint_scheme",
    "parse_scheme",
    "read_scheme_file",
]

DIRECTORY = Path(__file__).parent / "schemes"


class SchemeError(KeyedDocumentError):
    """The scheme file does not make sense; every line of the message names a key."""


def read_scheme_file(name: str) -> str:
    """The text of a scheme that ships with the product, `jinhua-xinyijin-2026.1`, say."""
    return (DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")


def parse_scheme(document: str, *, catalogue: Catalogue | None) -> Scheme:
    """Read a scheme and check it against the catalogue; SchemeError tells everything wrong.

    Without a catalogue it is one that was published: it fitted the catalogue of that day.
    """
    root = _load(document)
    findings: list[Finding] = []
    read = read_keys(SCHEME, root, (), findings)
    if catalogue is not None:
        check_scheme(read, catalogue, findings)
    if findings:
        raise SchemeError(locate_findings(document, root, findings, name="scheme"))
    return _scheme(read, document)


def lint_scheme(document: str, *, catalogue: Catalogue) -> tuple[Fault, ...]:
    """Everything that is wrong with a scheme, in the order of its lines; nothing: it is good."""
    try:
        parse_scheme(document, catalogue=catalogue)
    except SchemeError as error:
        return error.faults
    return ()


def catalogue_code(document: str) -> str:
    """The catalogue that a scheme file asks for; the first city's where it asks for none."""
    return str(_load(document).get("catalogue", "jinhua"))


def _load(document: str) -> dict[str, Any]:
    return load_toml(document, name="scheme", error=SchemeError)


def _scheme(read: dict[str, Any], document: str) -> Scheme:
    points = read["points"]
    return Scheme(
        code=read["code"],
        version=read["version"],
        title=read["title"],
        effective_on=read["effective_on"],
        total_cap=read["total_cap"],
        legal_basis=read["legal_basis"],
        tiers=tuple(Tier(**_marked(one)) for one in read.get("tier", ())),
        dimensions=tuple(Dimension(**_marked(one)) for one in read["dimension"]),
        indicators=tuple(_indicator(one) for one in read["indicator"]),
        points=PointsRules(
            daily_cap_points=points["daily_cap_points"],
            lot_days=points["lot_days"],
            grants=tuple(_grant(one) for one in points.get("grant", ())),
            illustrative=tuple(points.get("illustrative", ())),
        ),
        document=document,
        content_hash=hashlib.sha256(document.encode()).digest(),
        subject=Subject(read.get("subject", Subject.CITIZEN)),
        shown=Period(read["shown"]) if "shown" in read else None,
        ranks=tuple(_rank(one) for one in read.get("rank", ())),
    )


def _marked(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"illustrative": tuple(entry.get("illustrative", ()))}


def _indicator(entry: dict[str, Any]) -> Indicator:
    nothing: dict[str, Any] = {
        "value": None, "measure": None, "validity_days": None, "record_type": "", "items": {},
    }  # fmt: skip
    return Indicator(**(nothing | _marked(entry) | {
        "rule": Rule(entry["rule"]),
        "unit": Unit(entry["unit"]) if "unit" in entry else None,
        "period": Period(entry["period"]) if "period" in entry else None,
        "decay": Decay(entry["decay"]) if "decay" in entry else None,
        "steps": tuple(Step(**one) for one in entry.get("steps", ())),
        "open_items": tuple(entry.get("open_items", ())),
    }))  # fmt: skip


def _rank(entry: dict[str, Any]) -> RankRule:
    nothing: dict[str, Any] = {"top_percent": None, "top_count": None, "least_total": 0}
    return RankRule(**(nothing | _marked(entry) | {
        "among": Among(entry["among"]), "period": Period(entry["period"]),
    }))  # fmt: skip


def _grant(entry: dict[str, Any]) -> GrantRule:
    nothing: dict[str, Any] = {"points": None, "items": {}}
    return GrantRule(**(nothing | _marked(entry) | {"unit": Unit(entry["unit"])}))
