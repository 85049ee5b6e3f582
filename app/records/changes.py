"""What a next version of the catalogue may change of record types that are in use."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from app.records.catalogue import Catalogue, CatalogueError, Column, RecordType


def check_next_version(
    *, now: Catalogue, then: Catalogue, held: Collection[str], needed: Collection[str]
) -> None:
    """CatalogueError when `then` cannot follow `now`.

    Of the types `held` there are records, whose columns must go on meaning the same; the types
    `needed` must stay.
    """
    if then.code != now.code:
        raise CatalogueError("catalogue.code", f"{now.code} expected: it is the city's for ever")
    for code in sorted(set(needed) | set(held)):
        if code in now.record_types and code not in then.record_types:
            raise CatalogueError(f"record_type {code}", "is in use and cannot be removed")
    for code in sorted(held):
        if code in now.record_types:
            _check_type(now.record_types[code], then.record_types[code])


def _check_type(now: RecordType, then: RecordType) -> None:
    place = f"record_type {now.code}"
    for key in ("positive", "register", "spends", "measures", "item", "evidence"):
        if getattr(now, key) != getattr(then, key):
            raise CatalogueError(f"{place}.{key}", "cannot change while records are held")
    if now.items - then.items:
        gone = min(now.items - then.items)
        raise CatalogueError(f"{place}.items", f"{gone} cannot go while records are held")
    if (then.term_days or 0) > (now.term_days or 0):
        raise CatalogueError(f"{place}.term_days", "cannot grow while records are held")
    if set(now.by_name) != set(then.by_name) or now.number_column != then.number_column:
        raise CatalogueError(
            f"{place}.columns", "cannot come, go or change places while records are held"
        )
    for name, column in now.by_name.items():
        _check_column(column, then.by_name[name], f"{place}, column {name}")


def _check_column(now: Column, then: Column, place: str) -> None:
    """A column may let more in than before, and nothing less."""
    if now.kind is not then.kind:
        raise CatalogueError(f"{place}.kind", "cannot change while records are held")
    if now.optional and not then.optional:
        raise CatalogueError(f"{place}.optional", "cannot be taken back while records are held")
    if then.pattern is not None and then.pattern != now.pattern:
        raise CatalogueError(f"{place}.pattern", "can only be given up while records are held")
    for key, shrinks in (
        ("least", _or_zero(then.least) > _or_zero(now.least)),
        ("most", _or_zero(then.most) < _or_zero(now.most)),
        ("places", (then.places or 0) < (now.places or 0)),
    ):
        if shrinks:
            raise CatalogueError(f"{place}.{key}", "can only widen while records are held")


def _or_zero(number: Decimal | None) -> Decimal:
    return Decimal(0) if number is None else number
