"""Reads the rows of one table from a dump of MySQL or MariaDB, as `mysqldump` and `mariadb-dump`
write it, line by line.

Nothing is executed. What is understood is `CREATE TABLE`, for the names of the columns, and
`INSERT INTO`, with names or without, many rows at once or one, on one line or on many.
"""

import re
from collections.abc import Iterator
from typing import Any

LONGEST = 128 * 1024 * 1024
"""Characters of one statement on several lines; a server accepts 64 MB unless told otherwise."""

# A value of a row, and what follows it. Binary strings and numbers in other bases are kept as they
# are written.
_VALUE = re.compile(
    r"""\s*(?:
        (?:_binary\s+|_utf8mb4\s+|_utf8\s+)?'(?P<text>(?:[^'\\]++|\\.|'')*+)'
        | (?P<null>NULL\b)
        | (?P<plain>[-+0-9.eExXa-fA-F]+|[bBxX]'[0-9a-fA-F]*'|true\b|false\b)
    )\s*(?P<next>[,)])""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_INSERT = re.compile(
    r"\s*(?:INSERT|REPLACE)\s+(?:IGNORE\s+)?INTO\s+`?([^`\s(]+)`?\s*(?:\(([^)]*)\))?\s*VALUES?\s*", re.IGNORECASE
)
_CREATE = re.compile(r"\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?`?([^`\s(]+)`?", re.IGNORECASE)
_COLUMN = re.compile(r"\s*`([^`]+)`")
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_BEGINS = re.compile(r"\s*,?\s*\(")
_REST_OF_STATEMENT = re.compile(r"(?:[^';]++|'(?:[^'\\]++|\\.|'')*+')*+;", re.DOTALL)
_ENDS = re.compile(r"\s*(?:AS\s+\w+\s*)?(?:ON\s+DUPLICATE\b.*)?;", re.IGNORECASE | re.DOTALL)


class NotADump(ValueError):
    """What was read is no dump, or has not the table; the message says which."""


def rows(lines: Iterator[str], table: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of `table`, each with the number of the line on which it begins; texts, or None for
    NULL. Raises NotADump.
    """
    reader = _Lines(lines)
    columns: list[str] = []
    found = False
    while reader.next():
        if (create := _CREATE.match(reader.rest)) and create[1] == table:
            found = True
            columns = _columns(reader)
        elif insert := _whole_head(reader):
            if insert[1] != table:
                reader.skip_statement(insert.end())
                continue
            found = True
            names = [name.strip(" `\n") for name in insert[2].split(",")] if insert[2] else columns
            if not names:
                raise NotADump(f"line {reader.number}: rows of {table} before its CREATE TABLE, and without names")
            yield from _inserted(reader, insert.end(), names)
    if not found:
        raise NotADump(f"there is no table {table} in it")


def _whole_head(reader: "_Lines") -> re.Match[str] | None:
    """`INSERT INTO ... VALUES` at the beginning of a line, wherever it ends."""
    if not reader.rest[:12].lstrip().upper().startswith(("INSERT", "REPLACE")):
        return None
    while not (head := _INSERT.match(reader.rest)):
        if len(reader.rest) > 100_000 or not reader.more():
            raise NotADump(f"line {reader.number}: INSERT without VALUES")
    return head


def _columns(reader: "_Lines") -> list[str]:
    names: list[str] = []
    while reader.next():
        if (column := _COLUMN.match(reader.rest)) is None:
            if reader.rest.lstrip().startswith(")"):
                return names
            continue  # a key, or a constraint
        names.append(column[1])
    raise NotADump(f"line {reader.number}: the dump breaks off")


def _inserted(reader: "_Lines", at: int, names: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    while True:
        while not (begins := _BEGINS.match(reader.rest, at)):
            if _ENDS.match(reader.rest, at):
                return
            if not reader.more():
                raise NotADump(f"line {reader.number}: the dump breaks off")
        line, at = reader.number, begins.end()
        values: list[Any] = []
        while True:
            value = _VALUE.match(reader.rest, at)
            if value is None:
                if not reader.more():
                    raise NotADump(f"line {line}: the row that begins here cannot be read")
                continue
            values.append(_read(value))
            at = value.end()
            if value["next"] == ")":
                break
        if len(values) == len(names):
            yield line, dict(zip(names, values, strict=True))
        else:
            yield line, {"": f"{len(values)} values, and the table has {len(names)} columns"}
        at = reader.forget(at)


def _read(value: re.Match[str]) -> str | None:
    if value["null"]:
        return None
    if value["text"] is None:
        return value["plain"]
    text = value["text"]
    if "\\" in text or "''" in text:
        text = _ESCAPE.sub(lambda found: "'" if found[1] is None else _ESCAPED.get(found[1], found[1]), text)
    return text


class _Lines:
    """The line at hand, and as many of the next as what begins on it needs."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._read = 0
        self.rest = ""

    @property
    def number(self) -> int:
        """Of the last line that was read."""
        return self._read

    def next(self) -> bool:
        """Go on to the next line, and forget this one."""
        line = next(self._lines, None)
        self.rest = line or ""
        self._read += line is not None
        return line is not None

    def more(self) -> bool:
        """Read one more line behind this one."""
        line = next(self._lines, None)
        if line is None:
            return False
        if len(self.rest) > LONGEST:
            raise NotADump(f"line {self._read}: what begins before it does not end within {LONGEST >> 20} MB")
        self.rest += line
        self._read += 1
        return True

    def forget(self, at: int) -> int:
        """Let go of what was read over, once it is much; returns the new place."""
        if at < 65_536 and "\n" not in self.rest[:at]:
            return at
        self.rest = self.rest[at:]
        return 0

    def skip_statement(self, at: int) -> None:
        """Read over an INSERT of another table."""
        while not _REST_OF_STATEMENT.match(self.rest, at):
            if not self.more():
                raise NotADump(f"line {self.number}: the dump breaks off")
