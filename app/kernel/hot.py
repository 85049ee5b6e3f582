"""One prepared statement in one round trip, with as little in between as libpq allows.

psycopg's cursors cost more CPU than the reading of a balance; what they do around a statement
(transactions, notices, caches of statements) is not needed here.  Its adapters and errors are used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

import orjson
import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.types.json import set_json_loads

_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")


class HotConnection:
    """A connection that prepares each statement once; for statements that give at most one row.

    It begins no transaction: outside of one, a statement is its own.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        set_json_loads(orjson.loads, connection)
        self._server = connection.pgconn
        self._adapt = Transformer(connection)
        self._prepared: dict[str, bytes] = {}
        self._lost = False

    @property
    def closed(self) -> bool:
        """Whether the connection was lost."""
        return self._lost or self._server.status == ConnStatus.BAD

    def call(self, statement: str, parameters: Mapping[str, object]) -> dict[str, Any] | None:
        """The first row, or None.  Parameters go as text, and their places give them a type."""
        text, names = _numbered(statement)
        given = [parameters[name] for name in names]
        result = self._server.exec_prepared(
            self._prepared.get(statement) or self._prepare(statement, text),
            cast("list[bytes]", self._adapt.dump_sequence(given, [PyFormat.TEXT] * len(given))),
        )
        self._require(result, ExecStatus.TUPLES_OK)
        self._adapt.set_pgresult(result)
        columns = [_decoded(result.fname(number)) for number in range(result.nfields)]

        def as_dict(values: Sequence[Any]) -> dict[str, Any]:
            return dict(zip(columns, values, strict=True))

        return self._adapt.load_row(0, as_dict)

    def _prepare(self, statement: str, text: str) -> bytes:
        name = f"hot_{len(self._prepared)}".encode()
        self._require(self._server.prepare(name, text.encode()), ExecStatus.COMMAND_OK)
        self._prepared[statement] = name
        return name

    def _require(self, result: PGresult, status: ExecStatus) -> None:
        if result.status == status:
            return
        if result.error_field(DiagnosticField.SQLSTATE) is None:
            # Not the server's word but libpq's: it could not be asked, or did not answer.
            self._lost = True
            raise psycopg.OperationalError(result.get_error_message())
        raise error_from_result(result)


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement with `$1` for `%(name)s`, and the names in the order of their numbers."""
    names = tuple(dict.fromkeys(_PLACEHOLDER.findall(statement)))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    return _PLACEHOLDER.sub(lambda found: numbers[found[1]], statement), names


@lru_cache(maxsize=256)
def _decoded(name: bytes | None) -> str:
    return (name or b"").decode()
