"""The rows of a file, one after the other, each with the number of its line: CSV, Parquet, or a
dump of MySQL or MariaDB.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from forecourt.marketplace.imports import mysql

LONGEST_FIELD = 16 * 1024 * 1024
"""Characters of one field of a CSV file."""


class Place(NamedTuple):
    """Where a row is: the how manieth of the file, from 1, and the line on which it begins."""

    number: int
    line: int


class Row(NamedTuple):
    """One row as the file has it. `line` is where it begins, or its number in a Parquet file; `at`
    is how far into the file it is, from 0 to 1."""

    line: int
    values: dict[str, Any]
    at: float


class CannotRead(ValueError):
    """A file that cannot be read as what it is taken for; the message says why."""


Source = Callable[[Path, str], Iterator[Row]]


def rows(path: Path, form: str, table: str) -> Iterator[Row]:
    """The rows of a file, lazily; of a dump those of `table`. Raises CannotRead, and OSError."""
    return {"csv": _csv, "parquet": _parquet, "mysql": _mysql}[form](path, table)


def form_of(path: Path) -> str:
    """csv, parquet or mysql, by the name. Raises CannotRead for any other."""
    found = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".sql": "mysql"}.get(path.suffix.lower())
    if found is None:
        raise CannotRead(f"{path}: what is it? Its name should end in .csv, .parquet or .sql, or give --format")
    return found


def _csv(path: Path, _: str) -> Iterator[Row]:
    size = max(1, path.stat().st_size)
    csv.field_size_limit(LONGEST_FIELD)
    with path.open("rb") as raw:
        lines = (_decoded(path, number, line) for number, line in enumerate(raw, start=1))
        head = next(lines, "")
        delimiter = max(",;\t|", key=head.count)
        line = 1
        try:
            names = next(csv.reader([head], delimiter=delimiter), [])
            if not names or len(set(names)) < len(names):
                raise CannotRead(f"{path}: its first line must name the columns, each once")
            reader = csv.reader(lines, delimiter=delimiter)
            line = 2
            for fields in reader:
                if fields:
                    yield Row(line, _named(names, fields), raw.tell() / size)
                line = reader.line_num + 2
        except csv.Error as error:
            raise CannotRead(f"{path}, line {line}: {error}") from None


def _named(names: list[str], fields: list[str]) -> dict[str, Any]:
    """A field that is empty is none. One too many, or too few, is the row's own error, under a name
    that no column has.
    """
    if len(fields) != len(names):
        return {"": f"{len(fields)} fields, and the first line has {len(names)}"}
    return {name: value if value != "" else None for name, value in zip(names, fields, strict=True)}


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise CannotRead(f"{path}, line {number}: it is not UTF-8 ({error.reason} at byte {error.start})") from None


def _parquet(path: Path, _: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            total, number = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(batch_size=1_000, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values, number / total)
    except (pa.ArrowException, ValueError, OverflowError) as error:  # the last two: times that Python has not
        raise CannotRead(f"{path}: {error}") from None


def _mysql(path: Path, table: str) -> Iterator[Row]:
    size = max(1, path.stat().st_size)
    with path.open("rb") as raw:
        lines = (_decoded(path, number, line) for number, line in enumerate(raw, start=1))
        try:
            for line, values in mysql.rows(lines, table):
                yield Row(line, values, raw.tell() / size)
        except mysql.NotADump as error:
            raise CannotRead(f"{path}: {error}") from None
