"""The data inventory: of every column what it is, and of every table why, how long, how it goes.

One TOML file a room stands in `inventory/`, for a data protection officer to read and for a test
to compare with the database.  The copy that a citizen asks for is made from it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from app.kernel.keys import KeyPurpose

FOLDER: Final = Path(__file__).parent / "inventory"
CITIZEN_KEY: Final = "citizen"


class About(StrEnum):
    """Of whom a table tells."""

    CITIZEN = "citizen"
    STAFF = "staff"
    MERCHANT = "merchant"
    MACHINE = "machine"
    NOBODY = "nobody"


class Basis(StrEnum):
    """What allows it."""

    CONSENT = "consent"  # to membership
    SEPARATE_CONSENT = "separate_consent"  # to one purpose and receiver
    CONTRACT = "contract"  # with the citizen, a merchant or a bank
    DUTY = "duty"  # the law asks to be able to prove it
    OFFICE = "office"  # the service cannot run without it


class Keep(StrEnum):
    """How long a row stays."""

    MEMBERSHIP = "membership"  # until its citizen leaves
    CATALOGUE = "catalogue"  # as the information catalogue says for its record type
    TIME = "time"  # so many days, then a job deletes it
    MOMENTS = "moments"  # minutes or hours, as long as something is under way
    PROOF = "proof"  # as long as the programme: sums and decisions must prove
    SERVICE = "service"  # as long as it serves; then it is changed or taken out


class Leaving(StrEnum):
    """What becomes of a citizen's rows when they leave."""

    ERASED = "erased"  # within 72 hours
    ERASED_WITH_KEY = "erased_with_key"  # with the key, when what was begun is settled
    SETTLED = "settled"  # stays under a random number until it is settled, then it goes
    PSEUDONYM = "pseudonym"  # stays under a random number, with nothing personal
    BY_TIME = "by_time"  # cannot be told apart by person; goes when its time is over
    NOTHING = "nothing"  # there is nothing of a citizen


class ColumnClass(StrEnum):
    """What a column holds."""

    PSEUDONYM = "pseudonym"  # the random number of a citizen
    OTHER_PERSON = "other_person"  # the random number of another citizen
    REFERENCE = "reference"  # the random number of a thing
    PERSONAL = "personal"  # about a person, in the clear
    SEALED_FILE = "sealed_file"  # encrypted, of bytes that are no text
    SEALED = "sealed"  # encrypted, under the key that the table names
    FACT = "fact"  # what was done, decided or counted, without a name
    TEXT = "text"  # written by people; long numbers and codes are refused
    STAFF = "staff"  # who of the staff, or which machine
    INDEX = "index"  # keyed digest, to find or compare without knowing
    DIGEST = "digest"  # digest that proves, or tells a repetition
    SECRET = "secret"  # noqa: S105 -- a class of columns: keys, hashes of passwords
    PUBLIC = "public"  # published, or open to who deals with it
    TECHNICAL = "technical"  # for the machine


COPIED: Final = frozenset({
    ColumnClass.REFERENCE, ColumnClass.PERSONAL, ColumnClass.SEALED, ColumnClass.SEALED_FILE,
    ColumnClass.FACT, ColumnClass.TEXT,
})  # fmt: skip
_SEALED: Final = frozenset({ColumnClass.SEALED, ColumnClass.SEALED_FILE})
_PERSONAL: Final = _SEALED | {ColumnClass.PERSONAL}


class BadInventoryError(ValueError):
    """A file of the inventory does not say what it must, or says it twice."""


@dataclass(frozen=True)
class KeptTable:
    """What is kept in one table; `columns` are in the order of the file.

    `days` and `job`: after how many days which job deletes.  `key` is what sealed columns are
    sealed under: the citizen's own key, or a purpose of the key ring; `sealed_as` is the place that
    a seal is bound to, with columns of the row in braces, and `{column}` and `{plain}` (without
    `_sealed`) for the sealed one.  `not_copied` says why a citizen's copy leaves the table out.
    """

    room: str
    name: str
    about: About
    purpose: str
    basis: Basis
    keep: Keep
    leaving: Leaving
    columns: Mapping[str, ColumnClass]
    days: int | None = None
    job: str | None = None
    key: str | None = None
    sealed_as: str | None = None
    not_copied: str | None = None

    @property
    def copied(self) -> tuple[str, ...]:
        """The columns of a citizen's copy; none where nothing is copied."""
        if self.about is not About.CITIZEN or self.not_copied is not None:
            return ()
        return tuple(name for name, known in self.columns.items() if known in COPIED)


@cache
def read_inventory() -> Mapping[str, KeptTable]:
    """Every table by its name.  BadInventoryError names the first that is wrong."""
    found: dict[str, KeptTable] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if name in found:
                raise BadInventoryError(f"{name} stands in two files")
            try:
                found[name] = _checked(_table(path.stem, name, entry))
            except (KeyError, TypeError, ValueError) as error:
                raise BadInventoryError(f"{path.name}, {name}: {error}") from error
    return found


def _table(room: str, name: str, entry: dict[str, Any]) -> KeptTable:
    columns: dict[str, ColumnClass] = {}
    for known, names in entry.pop("columns").items():
        for column in names:
            if column in columns:
                raise BadInventoryError(f"{column} has two classes")
            columns[column] = ColumnClass(known)
    return KeptTable(
        room=room, name=name, columns=columns, about=About(entry.pop("about")),
        basis=Basis(entry.pop("basis")), keep=Keep(entry.pop("keep")),
        leaving=Leaving(entry.pop("leaving")), **entry,
    )


def _checked(table: KeptTable) -> KeptTable:
    classes = set(table.columns.values())
    keys = {CITIZEN_KEY, *(purpose.value for purpose in KeyPurpose)}
    stays = table.leaving in {Leaving.PSEUDONYM, Leaving.SETTLED}
    rules = {
        "a time has its days and its job": table.keep is not Keep.TIME or (
            bool(table.days) and bool(table.job)
        ),
        "what is sealed names its key": not classes & _SEALED or table.key in keys,
        "what is sealed for a citizen names what it is bound to": (
            table.key != CITIZEN_KEY or table.sealed_as is not None
        ),
        "what stays of a citizen holds nothing personal": not (stays and classes & _PERSONAL),
        "what is of a citizen, and only that, has a rule for leaving": (
            (table.about is About.CITIZEN) == (table.leaving is not Leaving.NOTHING)
        ),
    }  # fmt: skip
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise BadInventoryError(broken[0])
    return table
