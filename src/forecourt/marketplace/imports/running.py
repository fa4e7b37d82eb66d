"""An import of one file: chunk by chunk, each committed together with how far it is.

So a run that is killed goes on at the next chunk, and a file that was imported is not imported
again: a run is known by what the file holds, whatever it is called. Rows that were refused are
tried again, with a better mapping perhaps.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import session as transaction
from forecourt.marketplace.imports import entering, sources
from forecourt.marketplace.imports.mapping import BadRow, Mapped
from forecourt.marketplace.imports.sources import Place

CHUNK = 1_000
"""Rows in one transaction."""

BEGIN = text(
    """
    INSERT INTO import_runs (kind, file, digest)
    VALUES (:kind, :file, :digest)
    ON CONFLICT (kind, digest) DO UPDATE
    SET file = excluded.file
    RETURNING id, read, imported, there
    """
)
ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(hashtextextended('forecourt.import:' || :digest, 0))")
ADVANCE = text(
    """
    UPDATE import_runs
    SET read = read + :read,
        imported = imported + :imported,
        there = there + :there
    WHERE id = :id
      AND read = :before
    RETURNING id
    """
)
FINISH = text("UPDATE import_runs SET finished_at = coalesce(finished_at, now()) WHERE id = :id")
REFUSED = text("SELECT number, line, why FROM import_errors WHERE run_id = :id ORDER BY number")
REFUSE = text(
    """
    INSERT INTO import_errors (run_id, number, line, why)
    SELECT :id, number, line, why
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:lines AS bigint[]), CAST(:reasons AS text[])) AS refused(number, line, why)
    """
)
TRY_AGAIN = text("DELETE FROM import_errors WHERE run_id = :id AND number = ANY (CAST(:numbers AS bigint[]))")

Progress = Callable[[int, float], None]
"""Is told how many rows were read, and how far into the file that is, from 0 to 1."""


class ImportIsRunning(RuntimeError):
    """Somebody imports the same file at this moment."""


@dataclass(slots=True)
class Imported:
    """What became of a file's rows: how many were `read`, of which `resumed` by an earlier run; how
    many were `imported`, `before` by that run; how many were `there`. `left_out`: columns of the
    file that go nowhere."""

    read: int = 0
    imported: int = 0
    there: int = 0
    resumed: int = 0
    before: int = 0
    refused: list[tuple[Place, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def new(self) -> int:
        """Rows that this run imported."""
        return self.imported - self.before


def rehearse(path: Path, form: str, mapped: Mapped, progress: Progress = lambda read, at: None) -> Imported:
    """What an import of the rows that are not imported yet would do: the very statements, undone.
    Raises CannotRead.
    """
    with transaction() as tx:
        done, begun = _begin(tx, path, mapped)
        for chunk in _chunks(path, form, mapped, done, begun.refused):
            done.refused += _enter(tx, mapped, chunk, done)
            progress(done.read, chunk[-1][1].at)
        tx.rollback()
    return done


def run(path: Path, form: str, mapped: Mapped, progress: Progress = lambda read, at: None) -> Imported:
    """Import the rows that are not imported yet, those too that an earlier run refused. Raises
    CannotRead, and ImportIsRunning.
    """
    with transaction() as tx:
        done, begun = _begin(tx, path, mapped)
    for chunk in _chunks(path, form, mapped, done, begun.refused):
        with transaction() as tx:
            _commit(tx, mapped, chunk, done, begun)
        progress(done.read, chunk[-1][1].at)
    with transaction() as tx:
        tx.execute(FINISH, {"id": begun.id})
        done.refused = [(Place(number, line), why) for number, line, why in tx.execute(REFUSED, {"id": begun.id})]
    return done


@dataclass(frozen=True, slots=True)
class _Begun:
    id: int
    digest: str
    refused: frozenset[int]


def _begin(tx: Session, path: Path, mapped: Mapped) -> tuple[Imported, _Begun]:
    facts = {"kind": mapped.kind.name, "file": str(path), "digest": _digest(path)}
    run = tx.execute(BEGIN, facts).one()
    refused = frozenset(number for number, _, _ in tx.execute(REFUSED, {"id": run.id}))
    return Imported(run.read, run.imported, run.there, run.read, run.imported), _Begun(run.id, facts["digest"], refused)


def _commit(tx: Session, mapped: Mapped, chunk: "_Chunk", done: Imported, begun: _Begun) -> None:
    """Enter a chunk, and note how far the run is: both, or neither."""
    if not tx.scalars(ONE_AT_A_TIME, {"digest": begun.digest}).one():
        raise ImportIsRunning("this file is being imported by somebody else at this moment")
    before = replace(done)
    tx.execute(TRY_AGAIN, {"id": begun.id, "numbers": [place.number for place, _ in chunk]})
    refused = _enter(tx, mapped, chunk, done)
    reasons = {
        "numbers": [place.number for place, _ in refused],
        "lines": [place.line for place, _ in refused],
        "reasons": [why for _, why in refused],
    }
    tx.execute(REFUSE, {"id": begun.id, **reasons})
    entering.keep_ahead(tx, mapped.kind.name)
    counts = {name: getattr(done, name) - getattr(before, name) for name in ("read", "imported", "there")}
    if tx.execute(ADVANCE, {"id": begun.id, "before": before.read, **counts}).one_or_none() is None:
        raise ImportIsRunning("this file was imported further by somebody else meanwhile; run it again")


def _enter(tx: Session, mapped: Mapped, chunk: "_Chunk", done: Imported) -> list[tuple[Place, str]]:
    """Enter a chunk, and count; returns what was refused."""
    good, refused = [], []
    for place, row in chunk:
        try:
            good.append((place, mapped.row(row.values)))
        except BadRow as bad:
            refused.append((place, str(bad)))
    entered = entering.enter(tx, mapped.kind.name, good)
    done.read = max(done.read, chunk[-1][0].number)
    done.imported += entered.imported
    done.there += entered.there
    return sorted(refused + entered.refused)


def _chunks(path: Path, form: str, mapped: Mapped, done: Imported, again: frozenset[int]) -> Iterator["_Chunk"]:
    """The rows behind those that are done, and before them those that are to be tried again."""
    skip = done.resumed
    chunk: _Chunk = []
    for number, row in enumerate(sources.rows(path, form, mapped.table), start=1):
        if number == 1:
            done.left_out = mapped.left_out(list(row.values))
        if number <= skip and number not in again:
            continue
        chunk.append((Place(number, row.line), row))
        if len(chunk) == CHUNK or number == skip:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_Chunk: TypeAlias = list[tuple[Place, sources.Row]]
