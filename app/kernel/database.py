"""The database: one typed Base, one pool, and one word per intention for transactions.

- `transaction()` opens one and fails when one is open: the outermost operation says it.
- `transaction_required()` never opens one and fails without: operations called by operations.
- `savepoint()` stands only beside the `except` that needs it.
- `durable()` fails inside a transaction: network calls.
- `transactions_begin_with()` puts a statement at the head of each transaction of a block.
- `hot_call()` runs one SQL function or statement as a transaction of its own, in one round trip.

After django-subatomic.  This module alone imports flask_sqlalchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

import orjson
import psycopg
from flask_sqlalchemy import SQLAlchemy
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import (
    BigInteger,
    Connection,
    Date,
    DateTime,
    Executable,
    LargeBinary,
    MetaData,
    PoolProxiedConnection,
    Text,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session, registry

from app.kernel.hot import HotConnection

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s__%(column_0_N_name)s",
    "uq": "uq_%(table_name)s__%(column_0_N_name)s",
    "ck": "ck_%(table_name)s__%(constraint_name)s",
    "fk": "fk_%(table_name)s__%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# A server that is gone without a word is noticed, or its connections would hold their threads for
# a quarter of an hour.  A server that works on a long statement still answers these.
NETWORK_TIMEOUTS: Final[dict[str, int]] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 8_000,  # milliseconds
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}

T = TypeVar("T")
HOT: Final = "hot"  # the pool of hot calls
_opening: ContextVar[Executable | None] = ContextVar("opening", default=None)


class Base(DeclarativeBase):
    """The base of every model.  Integers are 64 bit, times aware, text unbounded, JSON is jsonb."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMING_CONVENTION),
        type_annotation_map={
            int: BigInteger(),
            str: Text(),
            bytes: LargeBinary(),
            UUID: Uuid(),
            date: Date(),
            datetime: DateTime(timezone=True),
            dict[str, Any]: JSONB(),
            list[Any]: JSONB(),
        },
    )


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


class TransactionError(RuntimeError):
    """A programming error: a transaction is open where none may be, or the reverse."""


def _session() -> Session:
    return cast("Session", db.session())


@contextmanager
def transaction() -> Iterator[Session]:
    """Open the transaction of one operation; commit at the end, roll back on any exception."""
    session = _session()
    if session.in_transaction():
        message = "a transaction is already open"
        raise TransactionError(message)
    with session.begin():
        _open(session)
        yield session


def transaction_required() -> Session:
    """The session of the open transaction."""
    session = _session()
    if not session.in_transaction():
        message = "this operation needs an open transaction"
        raise TransactionError(message)
    return session


@contextmanager
def savepoint() -> Iterator[Session]:
    """A nested transaction that the `except` around it can give up."""
    session = transaction_required()
    with session.begin_nested():
        yield session


@contextmanager
def reading() -> Iterator[Session]:
    """A session for queries: joins an open transaction, else opens a short one."""
    session = _session()
    if session.in_transaction():
        yield session
        return
    with session.begin():
        _open(session)
        yield session


@contextmanager
def transactions_begin_with(statement: Executable) -> Iterator[None]:
    """Begin every transaction of the block with this statement, which narrows what the rest sees.

    It holds for `transaction` and `reading`.  A hot call is a function with rights of its own.
    """
    before = _opening.set(statement)
    try:
        yield
    finally:
        _opening.reset(before)


@contextmanager
def reading_whole_tables(session: Session) -> Iterator[None]:
    """For the proofs that read everything: ten minutes a statement, and no rows met one by one.

    Where statistics still say that tables are empty, as on a city's first days, joins would be
    nested, and their time grow with the square.
    """
    session.execute(text("SET LOCAL statement_timeout = '10min'"))
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = on"))


def _open(session: Session) -> None:
    statement = _opening.get()
    if statement is not None:
        session.execute(statement)


def copy_rows(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows at once, in the open transaction: COPY, the fastest way in.

    All rows have the same columns; other columns get their defaults.
    """
    if not rows:
        return
    names = list(rows[0])
    columns = [model.__table__.c[name] for name in names]
    dialect = session.connection().dialect
    types = [str(column.type.compile(dialect)).lower() for column in columns]
    documents = {column.name for column in columns if isinstance(column.type, JSONB)}
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(model.__tablename__), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    driver = cast("psycopg.Connection[Any]", session.connection().connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row([
                Jsonb(row[name], orjson.dumps) if name in documents else row[name]
                for name in names
            ])


def side_by_side(works: Sequence[Callable[[Connection], T]]) -> list[T]:
    """Do pieces of work at the same time, each in a transaction and on a connection of its own.

    Their results in order; when one fails, the others end first.  They see nothing of an open
    transaction.
    """
    engine = db.engine

    def do(work: Callable[[Connection], T]) -> T:
        with engine.begin() as connection:
            return work(connection)

    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        return list(pool.map(do, works))


@contextmanager
def alone(work: str) -> Iterator[bool]:
    """Whether nobody else is at this work: for the block, or until the process is dead.

    It holds a connection with an open transaction that reads nothing.
    """
    taken = select(func.pg_try_advisory_xact_lock(func.hashtextextended(work, 0)))
    with db.engine.begin() as connection:
        yield bool(connection.scalar(taken))


def durable() -> None:
    """Fail when a transaction is open: what follows leaves the database (a network call)."""
    # A session that was never asked for has no transaction, and need not be made to say so.
    if db.session.registry.has() and _session().in_transaction():
        message = "no network call inside a transaction"
        raise TransactionError(message)


class HotConnections(Protocol):
    """Where `hot_call` gets its connection from: the pool, or the connection of a test."""

    def __call__(self) -> AbstractContextManager[HotConnection]:
        """A context manager that yields a connection without a transaction of ours."""


def database_configuration(*, url: str, pool_size: int) -> dict[str, Any]:
    """Flask-SQLAlchemy's configuration: one pool for sessions, one for hot calls.

    They are two because the driver forgets all prepared statements of a connection at a rollback.
    Each holds up to `pool_size` connections, and opens only as many as threads ask at once.
    """
    driver_url = "postgresql+psycopg://" + url.split("://", 1)[1]
    options = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 3,
        "connect_args": {**NETWORK_TIMEOUTS, "application_name": "integrity-card"},
    }
    hot = {"url": driver_url, **options, "pool_use_lifo": True, "pool_reset_on_return": None}
    return {
        "SQLALCHEMY_DATABASE_URI": driver_url,
        "SQLALCHEMY_ENGINE_OPTIONS": options,
        "SQLALCHEMY_BINDS": {HOT: hot},
    }


def close_connections() -> None:
    """Close the idle connections of the running application."""
    for engine in db.engines.values():
        engine.dispose()


def _hot_connection_of(pooled: PoolProxiedConnection) -> HotConnection:
    known: HotConnection | None = pooled.info.get(HotConnection)
    if known is None:
        driver = cast("psycopg.Connection[Any]", pooled.driver_connection)
        known = pooled.info[HotConnection] = HotConnection(driver)
    return known


@contextmanager
def _pooled_connection() -> Iterator[HotConnection]:
    pooled = db.engines[HOT].raw_connection()
    try:
        hot = _hot_connection_of(pooled)
        try:
            yield hot
        except psycopg.OperationalError:
            if hot.closed:
                # The server went away, and the idle connections went with it.
                pooled.invalidate()
                close_connections()
            raise
    finally:
        pooled.close()


hot_connections: HotConnections = _pooled_connection


def hot_call(statement: str, parameters: Mapping[str, object]) -> dict[str, Any] | None:
    """Run one statement as its own transaction; the first row as a dict, or None.

    `statement` is SQL with named parameters (`%(name)s`), always the same text, so that it is
    prepared.  Errors are psycopg's.
    """
    durable()
    with hot_connections() as connection:
        return connection.call(statement, parameters)
