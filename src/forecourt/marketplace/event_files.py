"""Raw events as Parquet files: written from a stream of CSV, read back as the very same CSV.

So a file is compared with the database byte by byte, by one digest, and is never held in memory
whole.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

# In the CSV, times are microseconds since 1970: every program prints integers alike.
SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("car_listing_id", pa.int64(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("user_ip", pa.string()),
        pa.field("created_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
Piece: TypeAlias = bytes | bytearray | memoryview

BLOCK = 4 * 2**20
"""Bytes of CSV that become one row group: some 80,000 events."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file or a range of the database holds. `digest` is the SHA-256 of the events as CSV,
    in their order.
    """

    rows: int
    min_id: int
    max_id: int
    sum_id: int
    digest: str


def write(path: Path, csv: Iterable[Piece]) -> str:
    """Write the events of `csv`, in the form that `lines` gives, to `path`, and return the digest
    of the stream.
    """
    with closing(_Stream(csv)) as stream:
        reader = pa.csv.open_csv(
            stream,
            read_options=pa.csv.ReadOptions(column_names=SCHEMA.names, block_size=BLOCK, use_threads=False),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types={**{field.name: field.type for field in SCHEMA}, "created_at": pa.int64()},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        with _writer(path) as writer:
            for batch in reader:
                times = pc.cast(batch.column("created_at"), SCHEMA.field("created_at").type)
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns[:-1], times], schema=SCHEMA))
    return stream.digest.hexdigest()


def count(path: Path, listings: Collection[int]) -> int:
    """How many events of these listings a file holds. Raises ArrowException or OSError for a
    damaged file.
    """
    return sum(pc.sum(_of(batch, listings)).as_py() for batch in _batches(path))


def copy_without(source: Path, target: Path, listings: Collection[int]) -> Contents:
    """Write what a file holds to another, without the events of these listings, and return what
    must be in it. Raises ArrowException or OSError for a damaged file."""
    found = _Contents()
    with _writer(target) as writer:
        for batch in _batches(source):
            left = batch.filter(pc.invert(_of(batch, listings)))
            if len(left):
                found.add(left)
                writer.write_batch(left)
    return found.contents()


def lines(path: Path) -> Iterator[bytes]:
    """The events of a file as CSV, block by block: integers plain, text quoted, null empty. Raises
    ArrowException or OSError for a damaged file."""
    for batch in _batches(path):
        yield _csv(batch)


def read(path: Path) -> Contents:
    """Read a file from the disk again, whole. Raises ArrowException or OSError for a damaged
    one.
    """
    found = _Contents()
    for batch in _batches(path):
        found.add(batch)
    return found.contents()


class _Contents:
    """Contents, batch by batch."""

    def __init__(self) -> None:
        self._rows = self._sum = 0
        self._bounds: list[int] = []
        self._digest = sha256()

    def add(self, batch: pa.RecordBatch) -> None:
        ids = batch.column("id")
        self._rows += len(ids)
        self._sum += pc.sum(ids).as_py()
        self._bounds += pc.min_max(ids).as_py().values()
        self._digest.update(_csv(batch))

    def contents(self) -> Contents:
        lowest, highest = min(self._bounds, default=0), max(self._bounds, default=0)
        return Contents(self._rows, lowest, highest, self._sum, self._digest.hexdigest())


class _Stream:
    """A file made of pieces, which digests what is read from it. Arrow reads ahead, in a thread of
    its own; once `close` has returned, no piece is taken any more."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.closed = False
        self.digest = sha256()
        self._pieces = iter(pieces)
        self._waiting = bytearray()
        self._reading = Lock()

    def read(self, size: int) -> bytes:
        with self._reading:
            while not self.closed and len(self._waiting) < size and (piece := next(self._pieces, None)) is not None:
                self._waiting += piece
            taken = bytes(self._waiting[:size])
            del self._waiting[:size]
            self.digest.update(taken)
            return taken

    def close(self) -> None:
        with self._reading:
            self.closed = True


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        write_page_checksum=True,
        # Ids and times in their order are small as differences, and a dictionary of them would be
        # in vain.
        use_dictionary=["event_type"],
        column_encoding=dict.fromkeys(("id", "car_listing_id", "created_at"), "DELTA_BINARY_PACKED"),
    )


def _of(batch: pa.RecordBatch, listings: Collection[int]) -> pa.BooleanArray:
    return pc.is_in(batch.column("car_listing_id"), pa.array(sorted(listings), pa.int64()))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(use_threads=False):
            if len(batch):
                yield batch


def _csv(batch: pa.RecordBatch) -> bytes:
    times = pc.cast(batch.column("created_at"), pa.int64())
    plain = pa.RecordBatch.from_arrays([*batch.columns[:-1], times], names=SCHEMA.names)
    out = pa.BufferOutputStream()
    pa.csv.write_csv(plain, out, pa.csv.WriteOptions(include_header=False, quoting_style="needed"))
    csv: bytes = out.getvalue().to_pybytes()
    return csv
