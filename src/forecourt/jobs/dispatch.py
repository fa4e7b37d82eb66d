"""Dispatching: from checked arguments to rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from forecourt.database import engine, in_transaction_of
from forecourt.store import calls
from forecourt.store.calls import Placement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecourt.jobs.job import Job

Transaction: TypeAlias = Session | Connection | psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One dispatch of a job. `id` names it in every table and command."""

    id: int
    job: str


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A job with the circumstances of its next dispatch, as `job.using(...)` gives it."""

    job: Job[..., Any]
    session: Transaction | None = None
    delay: float | None = None
    at: datetime | None = None
    queue: str | None = None
    priority: int | None = None
    options: dict[str, Any] | None = None

    def with_options(self, options: dict[str, Any]) -> Dispatch:
        """The same, with notes for the engine in the call's row: its tick, what follows it."""
        return replace(self, options=options)

    def dispatch(self, **args: Any) -> Call:
        """Enter one call. Raises WrongArguments."""
        text = self._text(args)
        with self._transaction() as tx:
            return Call(calls.enter(tx, self._placement(), text), self.job.name)

    def dispatch_many(self, many: Iterable[Mapping[str, Any]]) -> list[Call]:
        """Enter many calls in one statement. Raises WrongArguments before anything is entered."""
        texts = [self._text(args) for args in many]
        with self._transaction() as tx:
            return [Call(id, self.job.name) for id in calls.enter_many(tx, self._placement(), texts)]

    def _text(self, args: Mapping[str, Any]) -> str:
        if self.job.prepare is not None:
            self.job.check(args)
            args = self.job.prepare(dict(args))
        return self.job.arguments.dump(args)

    def _placement(self) -> Placement:
        policy = self.job.policy
        return Placement(
            job=self.job.name,
            queue=policy.queue if self.queue is None else replace(policy, queue=self.queue).queue,
            priority=policy.priority if self.priority is None else replace(policy, priority=self.priority).priority,
            delay=self.delay,
            run_at=self.at,
            options=self.options,
        )

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        if self.session is not None:
            yield in_transaction_of(self.session)
        else:
            with engine().begin() as connection:
                yield in_transaction_of(connection)
