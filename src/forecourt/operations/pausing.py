"""Pauses and resumes queues, tasks, groups and the whole schedule."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from forecourt.store import audit, pauses
from forecourt.store.calls import wake
from forecourt.store.pauses import Kind


def pause(tx: Connection[Any], kind: Kind, name: str, *, until: datetime | None, why: str, who: str) -> None:
    """Halt something; `until` None means until somebody resumes it. What runs goes on."""
    pauses.pause(tx, kind, name, until=until, who=who, why=why)
    audit.record(tx, who, f"{_noun(kind)} pause", _target(kind, name) | {"until": until, "why": why})


def resume(tx: Connection[Any], kind: Kind, name: str, *, who: str) -> bool:
    """Let something go on. False, and nothing was changed, when it is not paused."""
    if not pauses.resume(tx, kind, name):
        return False
    if kind == "queue":
        wake(tx, [name])
    audit.record(tx, who, f"{_noun(kind)} resume", _target(kind, name))
    return True


def _noun(kind: Kind) -> str:
    return "queue" if kind == "queue" else "schedule"


def _target(kind: Kind, name: str) -> dict[str, Any]:
    return {"queue": name} if kind == "queue" else {"kind": kind, "name": name}
