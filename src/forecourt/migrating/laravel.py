"""Laravel's tables `jobs` and `failed_jobs`, in PostgreSQL."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from forecourt.migrating.php import NotSerialized, Thing, unserialized
from forecourt.migrating.waiting import CannotBeTaken, Waiting, snake_case

# What a Laravel worker is at is locked or reserved.
WAITING = """
SELECT id, payload, available_at, reserved_at
FROM public.jobs
ORDER BY id
FOR UPDATE SKIP LOCKED
"""

FAILED = """
SELECT id, payload, NULL AS available_at, NULL AS reserved_at
FROM public.failed_jobs
ORDER BY id
FOR UPDATE SKIP LOCKED
"""

FORGET_WAITING = "DELETE FROM public.jobs WHERE id = ANY (%(ids)s)"

FORGET_FAILED = "DELETE FROM public.failed_jobs WHERE id = ANY (%(ids)s)"

MODEL = "Illuminate\\Contracts\\Database\\ModelIdentifier"

ITS_OWN = frozenset(
    {
        "job",
        "connection",
        "queue",
        "delay",
        "afterCommit",
        "middleware",
        "chained",
        "chainConnection",
        "chainQueue",
        "chainCatchCallbacks",
        "batchId",
        "fakeBatch",
        "tries",
        "timeout",
        "backoff",
        "maxExceptions",
        "failOnTimeout",
        "uniqueFor",
        "uniqueId",
        "deleteWhenMissingModels",
        "messageGroup",
        "deduplicator",
    }
)
"""Properties that a job's class has for the framework; the policy of the job here takes their
place.
"""


class NoTables(ValueError):
    """This is not the database of a Laravel application, or not one that can be read."""


def connect(url: str) -> psycopg.Connection[Any]:
    """Laravel's database. Raises NoTables when it is not to be reached."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise NoTables(f"{url.partition(':')[0]!r} cannot be read: expected postgresql://user:password@host:port/name")
    try:
        return psycopg.connect(url)
    except psycopg.Error as error:
        raise NoTables(f"cannot reach Laravel's database: {error}") from None


def read(connection: psycopg.Connection[Any], *, failed: bool) -> Iterator[Waiting]:
    """What waits, or what has failed, the oldest first, locked until the transaction ends. Raises
    NoTables.
    """
    try:
        rows = connection.execute(FAILED if failed else WAITING).fetchall()
    except psycopg.errors.UndefinedTable:
        raise NoTables(
            f"this database has no table public.{'failed_jobs' if failed else 'jobs'}: "
            "name the one of the Laravel application with --database postgresql://user:password@host:port/name"
        ) from None
    for id, payload, available_at, reserved_at in rows:
        yield message(id, payload, available_at, is_reserved=reserved_at is not None)


def forget(connection: psycopg.Connection[Any], ids: Sequence[int], *, failed: bool) -> None:
    """Remove what was taken."""
    connection.execute(FORGET_FAILED if failed else FORGET_WAITING, {"ids": list(ids)})


def message(id: int, payload: str, available_at: int | None, *, is_reserved: bool = False) -> Waiting:
    """One row."""
    name = "?"
    try:
        message = json.loads(payload)
        name = message.get("data", {}).get("commandName") or message.get("displayName") or message.get("job") or "?"
        if is_reserved:
            raise CannotBeTaken("a worker of Laravel's has it: stop the workers, and queue:restart gives it back")
        return Waiting(id, name, _properties(message), due=_due(available_at))
    except (CannotBeTaken, NotSerialized) as error:
        return Waiting(id, name, problem=str(error))
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError):
        return Waiting(id, name, problem="its payload is not what Laravel writes")


def _properties(message: dict[str, Any]) -> dict[str, Any]:
    command = message.get("data", {}).get("command", "")
    if not command.startswith("O:"):
        raise CannotBeTaken("its command is encrypted, or no object: dispatch it by hand")
    made = unserialized(command.encode())
    if made.properties.get("chained"):
        raise CannotBeTaken("others are chained behind it: let Laravel finish the chain")
    if made.properties.get("batchId"):
        raise CannotBeTaken("it belongs to a batch: let Laravel finish the batch")
    found: dict[str, Any] = {}
    for name, value in made.properties.items():
        match value:
            case _ if name in ITS_OWN:
                continue
            case Thing(kind=kind, properties=model) if kind == MODEL:
                found[f"{snake_case(name)}_id"] = model["id"]
            case _:
                _refuse_objects(name, value)
                found[snake_case(name)] = value
    return found


def _refuse_objects(name: str, value: Any) -> None:
    match value:
        case Thing(kind=kind):
            raise CannotBeTaken(f"its ${name} holds an object of class {kind}")
        case list():
            for part in value:
                _refuse_objects(name, part)
        case dict():
            for part in value.values():
                _refuse_objects(name, part)


def _due(available_at: int | None) -> datetime | None:
    """The instant, if it lies ahead."""
    at = None if available_at is None else datetime.fromtimestamp(available_at, UTC)
    return at if at is not None and at > datetime.now(UTC) else None
