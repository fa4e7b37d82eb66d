"""What an operator has halted, by whom, why and until when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from psycopg import Connection
from psycopg.rows import class_row

from forecourt.language import gettext as _
from forecourt.language import lookup

Kind: TypeAlias = Literal["queue", "task", "group", "schedule"]

PAUSE = """
INSERT INTO forecourt.pauses AS p (kind, name, until, who, why)
VALUES (%(kind)s, %(name)s, %(until)s, %(who)s, %(why)s)
ON CONFLICT (kind, name) DO UPDATE
SET since = CASE WHEN p.until <= now() THEN now() ELSE p.since END,
    until = excluded.until,
    who = excluded.who,
    why = excluded.why
"""

RESUME = """
DELETE FROM forecourt.pauses
WHERE kind = %(kind)s
  AND name = %(name)s
RETURNING until IS NULL OR until > now()
"""

IN_FORCE = """
SELECT kind, name, since, until, who, why
FROM forecourt.pauses
WHERE until IS NULL OR until > coalesce(%(at)s, now())
ORDER BY kind, name
"""


@dataclass(frozen=True, slots=True)
class Pause:
    """A halt that is in force. `until` None means until somebody resumes."""

    kind: str
    name: str
    since: datetime
    until: datetime | None
    who: str
    why: str

    def __str__(self) -> str:
        what = _("the schedule") if self.kind == "schedule" else f"{lookup(self.kind)} {self.name}"
        facts = {"what": what, "who": self.who, "since": f"{self.since:%Y-%m-%d %H:%M %Z}"}
        if self.until:
            words = _(
                "%(what)s is paused by %(who)s since %(since)s until %(end)s",
                end=f"{self.until:%Y-%m-%d %H:%M %Z}",
                **facts,
            )
        else:
            words = _("%(what)s is paused by %(who)s since %(since)s", **facts)
        return f"{words}: {self.why}" if self.why else words


def pause(tx: Connection[Any], kind: Kind, name: str, *, until: datetime | None, who: str, why: str) -> None:
    """Halt something; what is halted already gets the new reason and end."""
    tx.execute(PAUSE, {"kind": kind, "name": name, "until": until, "who": who, "why": why})


def resume(tx: Connection[Any], kind: Kind, name: str) -> bool:
    """End a halt. False when there was none in force."""
    row = tx.execute(RESUME, {"kind": kind, "name": name}).fetchone()
    return row is not None and bool(row[0])


def in_force(tx: Connection[Any], at: datetime | None = None) -> dict[tuple[str, str], Pause]:
    """All halts, by (kind, name), at an instant or now."""
    with tx.cursor(row_factory=class_row(Pause)) as cursor:
        return {(found.kind, found.name): found for found in cursor.execute(IN_FORCE, {"at": at})}
