"""Which column of a file is which of ours: the same names, unless a mapping in TOML says otherwise.

timezone = "Asia/Damascus"        # of times without an offset; the business zone unless given
table = "cars"                    # of a dump
[columns]
owner_id = "user_id"              # ours = theirs
[defaults]
wallet_currency = "SYP"           # where the file has no column, or no value
[values.event_type]
phone_click = "contact_phone"     # theirs = ours
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from forecourt.marketplace.imports.columns import KINDS, Kind, Reader
from forecourt.settings import settings


class WrongMapping(ValueError):
    """A mapping that cannot be followed; the message names the entry."""


class BadRow(ValueError):
    """A row that cannot be imported; the message names the column, and says why."""


@dataclass(frozen=True)
class Mapped:
    """How the rows of one kind are read."""

    kind: Kind
    zone: ZoneInfo
    table: str
    columns: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def _plan(self) -> list[tuple[str, str, Reader, Mapping[str, str] | None, Any]]:
        """What each column of ours is made of: 70 look-ups a row less."""
        return [
            (ours, self.columns.get(ours, ours), read, self.values.get(ours), self.defaults.get(ours))
            for ours, read in self.kind.columns.items()
        ]

    def row(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        """A row of ours, without what is not known. Raises BadRow."""
        if "" in theirs:
            raise BadRow(theirs[""])
        made: dict[str, Any] = {}
        for ours, theirs_name, read, translated, default in self._plan:
            value = theirs.get(theirs_name)
            if translated and isinstance(value, str):
                value = translated.get(value, value)
            if value is None:
                value = default
            if value is not None:
                try:
                    made[ours] = read(value, self.zone)
                except ValueError as error:
                    raise BadRow(f"{ours}: {error}") from None
        if missing := [name for name in self.kind.needed if made.get(name) is None]:
            raise BadRow(f"{missing[0]}: there is none")
        return made

    def left_out(self, names: list[str]) -> list[str]:
        """Which columns of a file go nowhere."""
        taken = {self.columns.get(ours, ours) for ours in self.kind.columns}
        return [name for name in names if name and name not in taken]


def read(kind: str, path: Path | None) -> Mapped:
    """The mapping in a file, or none. Raises WrongMapping."""
    of = KINDS[kind]
    if path is None:
        return Mapped(of, settings().zone, of.table, {})
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise WrongMapping(f"{path}: {error}") from None
    if unknown := given.keys() - {"columns", "defaults", "values", "timezone", "table"}:
        raise WrongMapping(f"{path}: {min(unknown)!r} is not one of columns, defaults, values, timezone, table")
    columns, defaults, values = (_section(path, given, name) for name in ("columns", "defaults", "values"))
    for section, names in (("columns", columns), ("defaults", defaults), ("values", values)):
        if wrong := names.keys() - of.columns.keys():
            raise WrongMapping(f"{path}: [{section}] names {min(wrong)!r}, and {kind} have {', '.join(of.columns)}")
    if strange := [ours for ours, theirs in columns.items() if not isinstance(theirs, str)]:
        raise WrongMapping(f"{path}: [columns] {strange[0]} must be the name of a column of theirs")
    for ours in values:
        _section(path, values, ours)
    try:
        zone = ZoneInfo(given["timezone"]) if "timezone" in given else settings().zone
    except (KeyError, ValueError, OSError, TypeError):
        raise WrongMapping(f"{path}: timezone = {given['timezone']!r} is not an IANA time zone") from None
    return Mapped(of, zone, str(given.get("table", of.table)), columns, defaults, values)


def _section(path: Path, given: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = given.get(name, {})
    if not isinstance(section, dict):
        raise WrongMapping(f"{path}: {name} must be a section, [{name}]")
    return section
