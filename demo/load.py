"""Loads the demo programme: the made-up deliveries of Jinhua, in the order of their taking effect.

Everything goes through the operations that the routes call, so that tests and the command line have
the same state as a city that was sent the files.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.records.catalogue import REGISTER
from app.records.operations import DeliveryRequest, import_register, register_source
from app.records.queries import DeliveryReport
from app.records.reading import Encoding
from app.scoring.operations import publish_scheme, take_delivery
from app.scoring.scheme import read_scheme_file

FOLDER = Path(__file__).parent / "data" / "jinhua"
SCHEME = "jinhua-xinyijin-2026.1"


@dataclass(frozen=True)
class ListedDelivery:
    """One line of deliveries.csv."""

    seq: int
    file: str
    record_type: str
    unit: str
    delivered_on: date
    encoding: Encoding


@dataclass(frozen=True)
class LoadedDelivery:
    """A line of the list and the report it led to."""

    listed: ListedDelivery
    report: DeliveryReport


@dataclass(frozen=True)
class DemoSource:
    """A department's machine; the secret is the one told at its making."""

    source_id: UUID
    credential_id: UUID
    secret: str
    unit: str
    record_types: tuple[str, ...]


def list_deliveries(folder: Path = FOLDER) -> list[ListedDelivery]:
    """The deliveries in the order in which they take effect: the register, then date and number."""
    with (folder / "deliveries.csv").open(encoding="utf-8", newline="") as file:
        listed = [
            ListedDelivery(
                seq=int(line["序号"]),
                file=line["文件"],
                record_type=line["记录类型"],
                unit=line["报送单位"],
                delivered_on=date.fromisoformat(line["报送日期"]),
                encoding=Encoding(line["编码"]),
            )
            for line in csv.DictReader(file)
        ]
    return sorted(listed, key=lambda one: (one.record_type != REGISTER, one.delivered_on, one.seq))


def expected_results(folder: Path = FOLDER) -> dict[str, Any]:
    """What must come out."""
    found: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return found


def prepare_programme() -> None:
    """Publish the scheme; the texts that are consented to come with the migrations."""
    publish_scheme(document=read_scheme_file(SCHEME))


def create_sources(*, keys: KeyProvider, folder: Path = FOLDER) -> dict[str, DemoSource]:
    """Make a source for every unit of the list, by unit, allowed what it delivers there."""
    types: dict[str, set[str]] = {}
    for listed in list_deliveries(folder):
        if listed.record_type != REGISTER:
            types.setdefault(listed.unit, set()).add(listed.record_type)
    return {unit: _create_source(keys, unit, sorted(codes)) for unit, codes in types.items()}


def _create_source(keys: KeyProvider, unit: str, record_types: list[str]) -> DemoSource:
    made = register_source(keys=keys, source_id=new_id(), unit=unit, record_types=record_types)
    return DemoSource(
        made.source_id, made.credential_id, made.secret, unit, tuple(record_types)
    )


def load_deliveries(
    *,
    keys: KeyProvider,
    staff_id: UUID,
    sources: dict[str, DemoSource],
    folder: Path = FOLDER,
) -> Iterator[LoadedDelivery]:
    """Take the files in, one after the other; `staff_id` is the operator of the register."""
    for listed in list_deliveries(folder):
        is_register = listed.record_type == REGISTER
        request = DeliveryRequest(
            delivery_id=new_id(),
            record_type=listed.record_type,
            delivered_on=listed.delivered_on,
            encoding=listed.encoding,
            file_name=listed.file,
            source_id=None if is_register else sources[listed.unit].source_id,
            staff_id=staff_id if is_register else None,
        )
        with (folder / listed.file).open("rb") as file:
            if is_register:
                report = import_register(keys=keys, request=request, file=file)
            else:
                report = take_delivery(keys=keys, request=request, file=file)
        yield LoadedDelivery(listed, report)


def load_programme(*, keys: KeyProvider, staff_id: UUID) -> list[LoadedDelivery]:
    """Everything: scheme, sources, register, deliveries."""
    prepare_programme()
    sources = create_sources(keys=keys)
    return list(load_deliveries(keys=keys, staff_id=staff_id, sources=sources))
