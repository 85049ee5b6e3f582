"""Loads the demo programme: the made-up deliveries of Jinhua, in the order of their taking effect.

Everything goes through the operations that the routes call, so that tests and the command line have
the same state as a city that was sent the files.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from app.benefits.catalogue import parse_catalogue
from app.benefits.operations import LoadedCatalogue as LoadedBenefits
from app.benefits.operations import load_catalogue as load_benefits
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.consents import kind_of_sharing
from app.records.catalogue import REGISTER, load_catalogue, read_catalogue_file
from app.records.editing import publish_first_catalogue
from app.records.operations import DeliveryRequest, import_register, register_source
from app.records.queries import DeliveryReport, current_day
from app.records.reading import CSV_MAX_BYTES, Encoding
from app.records.uploads import Upload
from app.scoring.operations import publish_scheme, take_delivery
from app.scoring.scheme import read_scheme_file
from app.trail.assessments import NewAssessment, confirm_assessment, register_assessment

FOLDER = Path(__file__).parent / "data" / "jinhua"
CATALOGUE = "jinhua"
SCHEME = "jinhua-xinyijin-2026.1"
LIST = "deliveries.csv"
ROWS_NAME = "rows.json"
_EFFECTIVE_ON = re.compile(r"^effective_on = ([0-9-]+)", re.MULTILINE)
COUNTS = (
    "row_count", "blank_count", "accepted_count", "corrected_count", "voided_count",
    "duplicate_count", "superseded_count", "dropped_count", "refused_count",
)  # fmt: skip
_NEEDED = ("序号", "文件", "记录类型", "报送单位", "报送日期", "编码")


class BadFolderError(Exception):
    """The folder is not what the data interface describes; the message names the place."""


@dataclass(frozen=True)
class ListedDelivery:
    """One line of deliveries.csv."""

    seq: int
    file: str
    record_type: str
    unit: str
    delivered_on: date
    encoding: Encoding
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Batch:
    """Rows as JSON; `row_shift` is what a row's number in the file is above its number here."""

    content: bytes
    row_shift: int


# The batches that a file of a folder is sent as; none when it is sent as it is.
BatchesOf = Callable[[Path, "ListedDelivery"], list[Batch]]


@dataclass(frozen=True)
class Part:
    """The report of a file, or of one of the batches it was sent as."""

    report: DeliveryReport
    row_shift: int = 0


@dataclass(frozen=True)
class LoadedDelivery:
    """A line of the list and what it led to."""

    listed: ListedDelivery
    parts: tuple[Part, ...]

    @property
    def report(self) -> DeliveryReport:
        """The report of the file; of batches the first one's, with the counts of all."""
        first = self.parts[0].report
        return replace(first, **{
            name: sum(getattr(part.report, name) for part in self.parts) for name in COUNTS
        })


@dataclass(frozen=True)
class DemoSource:
    """A department's machine; the secret is the one told at its making."""

    source_id: UUID
    credential_id: UUID
    secret: str
    unit: str
    record_types: tuple[str, ...]


def list_deliveries(folder: Path = FOLDER) -> list[ListedDelivery]:
    """The deliveries in the order in which they take effect: the register, then date and number.

    BadFolderError names the line that cannot be read.
    """
    try:
        with (folder / LIST).open(encoding="utf-8-sig", newline="") as file:
            listed = [_listed(number, line) for number, line in enumerate(csv.DictReader(file), 2)]
    except (OSError, UnicodeError, csv.Error) as error:
        raise BadFolderError(f"{LIST} cannot be read: {error}") from error
    return sorted(listed, key=lambda one: (one.record_type != REGISTER, one.delivered_on, one.seq))


def _listed(number: int, line: dict[str, str | None]) -> ListedDelivery:
    try:
        said = {name: (line[name] or "").strip() for name in _NEEDED}
        size = (line.get("字节数") or "").strip()
        return ListedDelivery(
            seq=int(said["序号"]),
            file=said["文件"],
            record_type=said["记录类型"],
            unit=said["报送单位"],
            delivered_on=date.fromisoformat(said["报送日期"]),
            encoding=Encoding(said["编码"].lower()),
            size_bytes=int(size) if size else None,
            sha256=(line.get("SHA-256") or "").strip().lower() or None,
        )
    except KeyError as error:
        raise BadFolderError(f"{LIST}: the column {error.args[0]} is missing") from error
    except ValueError as error:
        raise BadFolderError(f"{LIST}, row {number}: {error}") from error


def check_folder(folder: Path, listed: list[ListedDelivery]) -> None:
    """Whether the files are there and are the files that are listed; BadFolderError if not."""
    known = load_catalogue().record_types
    for one in listed:
        place = f"{LIST}, number {one.seq}"
        if one.record_type not in known:
            raise BadFolderError(f"{place}: there is no record type {one.record_type!r}")
        try:
            content = (folder / one.file).read_bytes()
        except OSError as error:
            raise BadFolderError(f"{place}: {one.file!r} cannot be read: {error}") from error
        if one.size_bytes not in {None, len(content)}:
            raise BadFolderError(f"{place}: {one.file} has {len(content)} bytes, not as listed")
        digest = hashlib.sha256(content).hexdigest()
        if one.sha256 not in {None, digest}:
            raise BadFolderError(f"{place}: the SHA-256 of {one.file} is {digest}, not as listed")


def expected_results(folder: Path = FOLDER) -> dict[str, Any]:
    """What must come out."""
    found: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return found


def prepare_programme(*, since: date | None = None) -> None:
    """Publish catalogue and scheme; the texts that are consented to come with the migrations.

    `since` lets it apply from an earlier day than its file says, for data of earlier years.
    """
    document = read_scheme_file(SCHEME)
    written = _EFFECTIVE_ON.search(document)
    if since is not None and written is not None and since < date.fromisoformat(written[1]):
        document = _EFFECTIVE_ON.sub(f"effective_on = {since.isoformat()}", document)
    publish_catalogue()
    publish_scheme(document=document)


def publish_benefits(document: str) -> LoadedBenefits:
    """Publish a catalogue of benefits; all sharing in it is assessed first, by two operators."""
    purposes = {one.consent_purpose for one in parse_catalogue(document) if one.consent_purpose}
    for purpose in sorted(purposes):
        assessment_id = new_id()
        register_assessment(
            assessment=NewAssessment(
                assessment_id=assessment_id, kind=kind_of_sharing(purpose),
                title="权益服务影响评估", concluded_on=current_day(),
                summary="接收方只得知权益内容，不得知信用分和记录。",
                document_hash=hashlib.sha256(document.encode()).digest(),
                covers=(purpose,),
            ),
            operator_id=new_id(), reason="评估报告已通过评审",
        )
        confirm_assessment(
            assessment_id=assessment_id, operator_id=new_id(), reason="评估属实，同意"
        )
    return load_benefits(document)


def publish_catalogue() -> None:
    """Publish the first information catalogue of the city."""
    publish_first_catalogue(document=read_catalogue_file(CATALOGUE))


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


def as_delivered(_folder: Path, _listed: ListedDelivery) -> list[Batch]:
    """No batches: the file itself."""
    return []


def load_deliveries(
    *,
    keys: KeyProvider,
    staff_id: UUID,
    sources: dict[str, DemoSource],
    folder: Path = FOLDER,
    batches_of: BatchesOf = as_delivered,
) -> Iterator[LoadedDelivery]:
    """Take the files in, one after the other; `staff_id` is the operator of the register.

    A file for which `batches_of` has batches comes as these instead.
    """
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
            may_be_ahead=True,
        )
        batches = batches_of(folder, listed)
        if batches:
            parts = tuple(_take_batch(keys, request, one) for one in batches)
            yield LoadedDelivery(listed, parts)
            continue
        with (folder / listed.file).open("rb") as file:
            if is_register:
                upload = Upload.of(keys, file)
                report = import_register(
                    keys=keys, request=request, upload=upload, at_once_max_bytes=CSV_MAX_BYTES
                )
            else:
                report = take_delivery(keys=keys, request=request, file=file)
        yield LoadedDelivery(listed, (Part(report),))


def _take_batch(keys: KeyProvider, request: DeliveryRequest, batch: Batch) -> Part:
    as_rows = replace(
        request, delivery_id=new_id(), encoding=Encoding.JSON, file_name=ROWS_NAME
    )
    report = take_delivery(keys=keys, request=as_rows, file=io.BytesIO(batch.content))
    return Part(report, batch.row_shift)


def load_programme(*, keys: KeyProvider, staff_id: UUID) -> list[LoadedDelivery]:
    """Everything: scheme, sources, register, deliveries."""
    prepare_programme()
    sources = create_sources(keys=keys)
    return list(load_deliveries(keys=keys, staff_id=staff_id, sources=sources))
