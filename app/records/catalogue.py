"""The information catalogue: every record type as data, read from a document and checked.

What R8, R9, R17 and R24 of the programme's duties ask of record types is held here, whatever a
document says: forbidden words only ever grow, and a type that is not positive names its directory
entry, its law, its evidence and its term.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import orjson

from app.kernel.documents import DocumentError, DocumentFormat, Entry, read_document
from app.members.spelling import compact
from app.records.severity import MOST_DAYS, Severity

DIRECTORY = Path(__file__).parent / "catalogues"
ROW_NUMBER_COLUMN = "序号"  # may stand in any file and means nothing
REGISTER = "members"
ADVERSE_DAYS_MAX: Final = 1825  # five years at most, whatever the law behind it
PLACES_MAX: Final = 6

# A header may never contain these, and no catalogue can have a column, item or title that does.
FORBIDDEN_HEADER_WORDS: Final = (
    "血型", "宗教", "信仰", "基因", "指纹", "疾病", "病史", "病种", "诊断",
    "收入", "存款", "证券", "保险", "不动产", "房产", "纳税",
)  # fmt: skip
# No cell of a delivered row may contain these.
FORBIDDEN_CONTENT_WORDS: Final = (
    "血型", "A型血", "B型血", "AB型血", "O型血", "RH阴性", "RH阳性",
    "宗教信仰", "基因检测", "指纹", "病史", "确诊",
)  # fmt: skip
# What somebody reads and what somebody suffers from never flows back from libraries and clinics.
NEVER_CATALOGUED: Final = (
    "书名", "题名", "书目", "索书号", "ISBN",
    "就诊", "症状", "处方", "药品", "药名", "病情", "体检",
)  # fmt: skip
# The reasons with which a row is refused for an item or a text that does not fit.
ITEM_REASONS: Final = frozenset({
    "unknown_honour_level", "unknown_deed", "unknown_civility_item", "unknown_item",
})  # fmt: skip
PATTERN_REASONS: Final = frozenset({"bad_certificate", "bad_code"})

_CODE = re.compile(r"[a-z][a-z0-9_]{1,39}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.\-]{0,29}")
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
# Characters and classes of them, each so many times: such a pattern is quick on any text.
_PATTERN = re.compile(r"(?:(?:\[[0-9A-Za-z-]+\]|[0-9A-Za-z-])(?:\{[0-9]{1,2}\})?){1,20}")


class CatalogueError(DocumentError):
    """The catalogue does not make sense; the message names the offending key."""


class Kind(StrEnum):
    """How the cells of a column are read."""

    ID = "id"
    DATE = "date"
    NUMBER = "number"
    CODE = "code"
    NAME = "name"
    PHONE = "phone"
    TEXT = "text"
    VERSION = "version"
    STATUS = "status"
    LAST_DAY = "last_day"  # on which the record counts; empty where it has no end of its own


class Disclosure(StrEnum):
    """Who may see records of a type."""

    PUBLIC = "public"  # 社会公开
    CONSENT = "consent"  # 授权查询
    GOVERNMENT = "government"  # 政务共享


@dataclass(frozen=True)
class Column:
    """One column of a record type; `least` to `most` in steps of 10^-places for numbers."""

    name: str
    kind: Kind
    optional: bool = False
    least: Decimal | None = None
    most: Decimal | None = None
    places: int | None = None
    pattern: re.Pattern[str] | None = None
    mismatch: str | None = None


@dataclass(frozen=True)
class RecordType:
    """One entry of the catalogue; see the comments of the TOML file.

    A type that is not positive names its entry in the national directory, the column with the
    reference of the evidence, and after how many days from the event a record counts no more.
    """

    code: str
    title: str
    unit: str
    disclosure: Disclosure
    legal_basis: str
    update_frequency: str
    retention_days: int
    positive: bool
    columns: tuple[Column, ...]
    register: bool
    spends: str | None
    measures: Mapping[str, str]
    item: tuple[str, ...]
    items: frozenset[str]
    unknown_item: str | None
    directory: str | None
    evidence: str | None
    term_days: int | None
    severity: Severity | None

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def by_kind(self) -> Mapping[Kind, tuple[Column, ...]]:
        """The columns of each kind."""
        return {
            kind: tuple(column for column in self.columns if column.kind is kind) for kind in Kind
        }

    def _of_kind(self, kind: Kind) -> str | None:
        return next((column.name for column in self.by_kind[kind]), None)

    @cached_property
    def number_column(self) -> str | None:
        """The column that names the record: the first one; the register has none."""
        return None if self.register else self.columns[0].name

    @cached_property
    def date_column(self) -> str:
        """The column of the event date."""
        return self._of_kind(Kind.DATE) or ""

    @cached_property
    def last_day_column(self) -> str | None:
        """The column of the last day on which a record counts, where a type has one."""
        return self._of_kind(Kind.LAST_DAY)

    @cached_property
    def id_column(self) -> str:
        """The column of the person."""
        return self._of_kind(Kind.ID) or ""

    @cached_property
    def name_column(self) -> str | None:
        """The column of the person's name, where a type has one."""
        return self._of_kind(Kind.NAME)

    @cached_property
    def version_column(self) -> str | None:
        """The column of the version; a type without it knows version 1 only."""
        return self._of_kind(Kind.VERSION)

    @cached_property
    def status_column(self) -> str | None:
        """The column that says whether the record is valid or void."""
        return self._of_kind(Kind.STATUS)

    @cached_property
    def needed_columns(self) -> frozenset[str]:
        """What must be filled in a row."""
        return frozenset(column.name for column in self.columns if not column.optional)

    @cached_property
    def void_columns(self) -> frozenset[str]:
        """What must be filled in the row of a void."""
        found = (self.number_column, self.version_column, self.status_column, self.id_column)
        return frozenset(name for name in found if name)

    @cached_property
    def details_columns(self) -> tuple[str, ...]:
        """What is kept sealed: everything that no other column of the table holds already."""
        held = {self.number_column, self.version_column, self.status_column, self.id_column}
        held |= {self.name_column, self.date_column, self.last_day_column}
        held |= {*self.measures.values(), *self.item}
        return tuple(column.name for column in self.columns if column.name not in held)


@dataclass(frozen=True)
class Catalogue:
    """All record types of a programme, and the words that may never be delivered.

    `document` is the JSON text with sorted keys that everything else was read from.
    """

    code: str
    version: str
    forbidden_header_words: tuple[str, ...]
    forbidden_content_words: tuple[str, ...]
    record_types: Mapping[str, RecordType]
    document: str
    content_hash: bytes


@cache
def load_catalogue(code: str = "jinhua") -> Catalogue:
    """The catalogue that ships under this code: the first version of a city's own."""
    return parse_catalogue(read_catalogue_file(code))


def read_catalogue_file(code: str) -> str:
    """The TOML text of a catalogue that ships with the product."""
    return (DIRECTORY / f"{code}.toml").read_text(encoding="utf-8")


def parse_catalogue(text: str, *, form: DocumentFormat = DocumentFormat.TOML) -> Catalogue:
    """Read a catalogue and check it; CatalogueError names the key and the problem."""
    document = read_document(text, form=form, place="catalogue", error=CatalogueError)
    root = Entry(document, "catalogue", CatalogueError)
    types = [_record_type(entry) for entry in root.tables("record_type")]
    if len({kind.code for kind in types}) != len(types):
        raise CatalogueError("record_type.code", "two types share a code")
    if [kind.code for kind in types if kind.register] != [REGISTER]:
        raise CatalogueError("record_type.register", f"{REGISTER} is the one register")
    code, version = _matching(root, "code", _CODE), _matching(root, "version", _VERSION)
    headers = _united(FORBIDDEN_HEADER_WORDS, root.texts("forbidden_header_words"))
    content = _united(FORBIDDEN_CONTENT_WORDS, root.texts("forbidden_content_words"))
    root.finish()
    for kind in types:
        _check_words(kind, headers)
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return Catalogue(
        code=code,
        version=version,
        forbidden_header_words=headers,
        forbidden_content_words=content,
        record_types={kind.code: kind for kind in types},
        document=canonical.decode(),
        content_hash=hashlib.sha256(canonical).digest(),
    )


def _united(always: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return (*always, *(word for word in more if word not in always))


def _matching(entry: Entry, key: str, pattern: re.Pattern[str]) -> str:
    found = entry.text(key)
    if not pattern.fullmatch(found):
        raise entry.fault(key, f"{pattern.pattern} expected")
    return found


def _record_type(fields: dict[str, Any]) -> RecordType:
    entry = Entry(fields, f"record_type {fields.get('code', '?')}", CatalogueError)
    positive = entry.truth("positive")
    made = RecordType(
        code=_matching(entry, "code", _CODE),
        title=entry.text("title"),
        unit=entry.text("unit"),
        disclosure=entry.choice("disclosure", Disclosure),
        legal_basis=entry.text("legal_basis"),
        update_frequency=entry.text("update_frequency"),
        retention_days=entry.whole("retention_days"),
        positive=positive,
        columns=tuple(_column(column, entry.place) for column in entry.tables("columns")),
        register=entry.truth("register", default=False),
        spends=entry.optional_text("spends"),
        measures=entry.text_table("measures"),
        item=entry.texts("item"),
        items=frozenset(entry.texts("items")),
        unknown_item=entry.optional_text("unknown_item"),
        directory=None if positive else entry.text("directory"),
        evidence=None if positive else entry.text("evidence"),
        term_days=None if positive else entry.whole("term_days", least=1, most=ADVERSE_DAYS_MAX),
        severity=entry.choice("severity", Severity) if "severity" in entry else None,
    )
    entry.finish()
    _check_columns(made, entry)
    _check_use(made, entry)
    if not positive:
        _check_adverse(made, entry)
    elif made.severity is not None:
        raise entry.fault("severity", "only adverse records are more or less serious")
    return made


def _column(fields: dict[str, Any], place: str) -> Column:
    place = f"{place}, column {fields.get('name', '?')}"
    entry = Entry(fields, place, CatalogueError)
    kind = entry.choice("kind", Kind)
    number = kind is Kind.NUMBER
    made = Column(
        name=entry.text("name"),
        kind=kind,
        optional=entry.truth("optional", default=False),
        least=_number(entry, "least") if number else None,
        most=_number(entry, "most") if number else None,
        places=entry.whole("places", most=PLACES_MAX) if number else None,
        pattern=re.compile(_matching(entry, "pattern", _PATTERN)) if "pattern" in entry else None,
        mismatch=entry.optional_text("mismatch"),
    )
    entry.finish()
    if made.optional and kind not in {Kind.CODE, Kind.TEXT, Kind.LAST_DAY}:
        raise entry.fault("optional", "only codes, texts and last days may be left out")
    if (made.pattern is None) != (made.mismatch is None):
        raise entry.fault("mismatch", "pattern and mismatch belong together")
    if made.pattern is not None and kind is not Kind.CODE:
        raise entry.fault("pattern", "only codes have patterns")
    if made.mismatch is not None and made.mismatch not in PATTERN_REASONS:
        raise entry.fault("mismatch", f"one of {', '.join(sorted(PATTERN_REASONS))} expected")
    if made.least is not None and made.most is not None and made.least > made.most:
        raise entry.fault("least", "above most")
    return made


def _number(entry: Entry, key: str) -> Decimal:
    if key not in entry:
        raise entry.fault(key, "a number needs least, most and places")
    return Decimal(_matching(entry, key, _NUMBER))


def _check_columns(made: RecordType, entry: Entry) -> None:
    names = [column.name for column in made.columns]
    if len(set(names)) != len(names):
        raise entry.fault("columns", "a name stands twice")
    if ROW_NUMBER_COLUMN in names:
        raise entry.fault("columns", f"{ROW_NUMBER_COLUMN} means nothing in any file")
    kinds = [column.kind for column in made.columns]
    for kind in (Kind.ID, Kind.DATE):
        if kinds.count(kind) != 1:
            raise entry.fault("columns", f"exactly one column of kind {kind} is needed")
    for kind in (Kind.NAME, Kind.VERSION, Kind.STATUS, Kind.LAST_DAY):
        if kinds.count(kind) > 1:
            raise entry.fault("columns", f"at most one column of kind {kind} can be read")
    if (made.version_column is None) != (made.status_column is None):
        raise entry.fault("columns", "version and status belong together")
    first = made.columns[0]
    if not made.register and (first.kind is not Kind.CODE or first.optional):
        raise entry.fault("columns", "the first one is the code that names the record")


def _check_use(made: RecordType, entry: Entry) -> None:
    for key, used in (("measures", made.measures.values()), ("item", made.item)):
        for name in used:
            wanted = Kind.NUMBER if key == "measures" else Kind.CODE
            if name not in made.by_name or made.by_name[name].kind is not wanted:
                raise entry.fault(key, f"there is no column {name} of kind {wanted}")
    if not bool(made.item) == bool(made.items) == bool(made.unknown_item):
        raise entry.fault("items", "item, items and unknown_item belong together")
    if made.unknown_item is not None and made.unknown_item not in ITEM_REASONS:
        raise entry.fault("unknown_item", f"one of {', '.join(sorted(ITEM_REASONS))} expected")
    if made.spends is not None and (made.spends != "points" or "points" not in made.measures):
        raise entry.fault("spends", "only points can be spent, by the measure points")


def _check_adverse(made: RecordType, entry: Entry) -> None:
    """R8 and R17: a minus item has evidence and an end; it is neither a consent nor an order."""
    column = made.by_name.get(made.evidence or "")
    if column is None or column.optional or column.kind not in {Kind.CODE, Kind.TEXT}:
        raise entry.fault("evidence", "a code or text column that is never empty expected")
    if not 1 <= made.retention_days <= ADVERSE_DAYS_MAX:
        raise entry.fault("retention_days", f"from 1 to {ADVERSE_DAYS_MAX} for an adverse record")
    if made.severity is not None and (made.term_days or 0) > MOST_DAYS[made.severity]:
        most = MOST_DAYS[made.severity]
        raise entry.fault("term_days", f"at most {most} where it is {made.severity}")
    if made.register or made.spends:
        raise entry.fault("positive", "the register and orders of points are positive")


def _check_words(kind: RecordType, forbidden: Iterable[str]) -> None:
    """R9 and R24: what may never be delivered cannot be catalogued either."""
    names = {"title": [kind.title], "items": sorted(kind.items), "measures": [*kind.measures]}
    names["columns"] = [column.name for column in kind.columns]
    for key, texts in names.items():
        for text in texts:
            folded = compact(text).upper()
            found = next((w for w in (*forbidden, *NEVER_CATALOGUED) if w in folded), None)
            if found is not None:
                raise CatalogueError(
                    f"record_type {kind.code}.{key}", f"{text} holds {found}, which never enters"
                )
