"""Files on their way in: sealed while they arrive, a part at a time, and read back as a file.

A file is encrypted under a key of its own before any of it leaves memory, and the key is wrapped by
the key provider.  The parts are in the database, so that any worker on any machine can go on with a
file, and are gone when the delivery is finished.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import Session

from app.kernel.crypto import new_wrapped_key, open_wrapped_key, seal, unseal_with
from app.kernel.database import durable, reading, transaction, transaction_required
from app.kernel.ids import new_id
from app.kernel.keys import Key, KeyProvider, KeyPurpose
from app.records.models import Delivery, DeliveryPart, DeliveryUpload
from app.records.reading import (
    CSV_MAX_BYTES,
    XLSX_MAX_BYTES,
    Encoding,
    FileTooLarge,
    Fingerprint,
)
from app.records.scanning import Scanner

PART_BYTES = 1 << 20
ABANDONED_HOURS = 1
ARCHIVE_START = b"PK\x03\x04"  # an Excel file is a zip archive; no text begins so


@dataclass(frozen=True)
class UploadLimits:
    """The largest files that are taken, in bytes."""

    csv_max_bytes: int = CSV_MAX_BYTES
    xlsx_max_bytes: int = XLSX_MAX_BYTES


class Upload:
    """A file that is being written; what was written is hashed, measured, and kept in sealed parts.

    Parts are stored in transactions of their own as they fill up, the rest by `keep`; a file that
    is smaller than a part stays in memory until then.
    """

    def __init__(
        self,
        keys: KeyProvider,
        limits: UploadLimits | None = None,
        scanner: Scanner | None = None,
    ) -> None:
        self.upload_id = new_id()
        self._scan = scanner.begin() if scanner else None
        self._limits = limits or UploadLimits()
        self._key, self._wrapped = new_wrapped_key(
            keys, KeyPurpose.UPLOAD_WRAP, context=key_context(self.upload_id)
        )
        self._buffer = bytearray()
        self._start = b""
        self._digest, self._size = hashlib.sha256(), 0
        self._parts = 0
        self._line_ends, self._last = 0, b""
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()

    @classmethod
    def of(
        cls,
        keys: KeyProvider,
        content: IO[bytes],
        limits: UploadLimits | None = None,
        scanner: Scanner | None = None,
    ) -> Upload:
        """All of an open file."""
        made = cls(keys, limits, scanner)
        while piece := content.read(PART_BYTES):
            made.write(piece)
        return made

    @property
    def marks(self) -> Fingerprint:
        """Hash and size of what was written so far."""
        return Fingerprint(self._digest.digest(), self._size)

    @property
    def line_count(self) -> int:
        """Lines below the first, if this is text; a line ends with LF, CR, or both."""
        return max(0, self._line_ends - (self._last in {b"\n", b"\r"}))

    def found_encoding(self) -> Encoding:
        """How the whole file is to be read when its sender does not say.

        An archive is Excel, valid UTF-8 is UTF-8 with or without its mark, all else GB 18030.
        """
        if self._start == ARCHIVE_START:
            return Encoding.XLSX
        self._look(b"", final=True)
        if self._decoder is None:
            return Encoding.GB18030
        is_marked = self._start.startswith(codecs.BOM_UTF8)
        return Encoding.UTF_8_SIG if is_marked else Encoding.UTF_8

    def write(self, data: bytes) -> int:
        """Take the next bytes; FileTooLarge as soon as there are too many for what the file is."""
        self._size += len(data)
        if len(self._start) < len(ARCHIVE_START):
            self._start = (self._start + bytes(data[:4]))[: len(ARCHIVE_START)]
        is_archive = self._start == ARCHIVE_START
        limit = self._limits.xlsx_max_bytes if is_archive else self._limits.csv_max_bytes
        if self._size > limit:
            self.discard()
            raise FileTooLarge(max_bytes=limit)
        if self._scan is not None:
            self._scan.write(data)
        self._digest.update(data)
        self._count_lines(bytes(data))
        self._look(data)
        self._buffer += data
        while len(self._buffer) > PART_BYTES:
            with transaction() as session:
                self._store(session)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Nothing is read here: web frameworks rewind what they have written."""
        return offset + whence

    def close(self) -> None:
        """Nothing is held open."""

    def require_clean(self) -> None:
        """Hear what the scanner says of the whole file, outside of any transaction."""
        if self._scan is not None:
            durable()
            scan, self._scan = self._scan, None
            scan.finish()

    def keep(self) -> None:
        """Store what is still in memory, in the open transaction."""
        session = transaction_required()
        while self._buffer or not self._parts:
            self._store(session)

    def discard(self) -> None:
        """Forget a file that is not taken in, outside of any transaction."""
        if self._scan is not None:
            self._scan.close()
        self._buffer.clear()
        if self._parts:
            with transaction() as session:
                drop_upload(session, self.upload_id)

    def _look(self, data: bytes, *, final: bool = False) -> None:
        """Whether it is UTF-8 so far; after the first byte that is not, there is no decoder."""
        if self._decoder is not None:
            try:
                self._decoder.decode(data, final)
            except UnicodeDecodeError:
                self._decoder = None

    def _count_lines(self, data: bytes) -> None:
        if data:
            both = (self._last + data).count(b"\r\n")
            self._line_ends += data.count(b"\n") + data.count(b"\r") - both
            self._last = data[-1:]

    def _store(self, session: Session) -> None:
        if not self._parts:
            session.execute(
                insert(DeliveryUpload).values(
                    upload_id=self.upload_id, wrapped_key=self._wrapped
                )
            )
        plain = bytes(self._buffer[:PART_BYTES])
        context = _part_context(self.upload_id, self._parts)
        session.execute(
            insert(DeliveryPart).values(
                upload_id=self.upload_id,
                part=self._parts,
                sealed=seal(self._key, plain, context=context),
            )
        )
        del self._buffer[:PART_BYTES]
        self._parts += 1


class SealedFile(io.RawIOBase):
    """A kept file, read from its parts; one part at a time is in memory."""

    def __init__(self, keys: KeyProvider, *, upload_id: UUID, size_bytes: int) -> None:
        super().__init__()
        self._upload_id, self._size = upload_id, size_bytes
        self._key = _open_key(keys, upload_id)
        self._position = 0
        self._part, self._plain = -1, memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always: all parts but the last have the same size."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer
        """Read up to the end of a part."""
        if self._position >= self._size:
            return 0
        part, offset = divmod(self._position, PART_BYTES)
        if part != self._part:
            self._part, self._plain = part, memoryview(self._load(part))
        piece = self._plain[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _load(self, part: int) -> bytes:
        query = select(DeliveryPart.sealed).where(
            DeliveryPart.upload_id == self._upload_id, DeliveryPart.part == part
        )
        with reading() as session:
            sealed = session.execute(query).scalar_one()
        return unseal_with(self._key, sealed, context=_part_context(self._upload_id, part))


def drop_upload(session: Session, upload_id: UUID) -> None:
    """Delete a file with its key and its parts, which nothing can read any more."""
    session.execute(delete(DeliveryUpload).where(DeliveryUpload.upload_id == upload_id))


def prune_uploads() -> int:
    """Delete files that no delivery refers to and that grow no more; how many."""
    grown = exists().where(
        DeliveryPart.upload_id == DeliveryUpload.upload_id,
        DeliveryPart.created_at > func.now() - func.make_interval(0, 0, 0, 0, ABANDONED_HOURS),
    )
    awaited = exists().where(Delivery.upload_id == DeliveryUpload.upload_id)
    with transaction() as session:
        statement = delete(DeliveryUpload).where(~grown, ~awaited)
        gone = session.scalars(statement.returning(DeliveryUpload.upload_id)).all()
    return len(gone)


def _open_key(keys: KeyProvider, upload_id: UUID) -> Key:
    query = select(DeliveryUpload.wrapped_key).where(DeliveryUpload.upload_id == upload_id)
    with reading() as session:
        wrapped = session.execute(query).scalar_one()
    context = key_context(upload_id)
    return open_wrapped_key(keys, KeyPurpose.UPLOAD_WRAP, wrapped, context=context)


def key_context(upload_id: UUID) -> bytes:
    """The place that the key of a file is bound to."""
    return b"delivery_uploads.wrapped_key:" + upload_id.bytes


def _part_context(upload_id: UUID, part: int) -> bytes:
    return f"delivery_parts.sealed:{upload_id}:{part}".encode()
